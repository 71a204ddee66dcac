import { Badge, Button, Card, Group, Stack, Title } from '@mantine/core';
import { MessageText, messagesKey } from '@/components/Messages';
import type { LabellerMessage } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';

/** All that reviewers have written to the caller in this project, newest first. */
export function EarlierMessages() {
  const { slug } = useProject();
  const { rows, hasNextPage, isFetchingNextPage, fetchNextPage } = usePages<LabellerMessage>(
    [...messagesKey(slug), 'all'],
    `projects/${slug}/messages`,
  );
  if (!rows || rows.length === 0) return null;
  return (
    <section aria-labelledby="messages">
      <Title order={2} id="messages" mt="xl" mb="sm">
        {t('Messages from the reviewers')}
      </Title>
      <Stack gap="xs" maw={720}>
        {rows.map((message) => (
          <Card key={message.id} withBorder padding="sm">
            <Group justify="space-between" align="flex-start" wrap="nowrap">
              <MessageText message={message} />
              {!message.read_at && (
                <Badge variant="light" c="var(--mantine-color-text)" tt="none" miw="max-content">
                  {t('unread')}
                </Badge>
              )}
            </Group>
          </Card>
        ))}
        {hasNextPage && (
          <Button variant="default" w="fit-content" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {t('Show more')}
          </Button>
        )}
      </Stack>
    </section>
  );
}
