import { Badge, Card, Group, SimpleGrid, Stack, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Copy } from '@/components/Copy';
import { Markdown } from '@/components/Markdown';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { PromptDetail } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';

export function PromptPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const prompt = useQuery({
    queryKey: ['projects', slug, 'prompts', id],
    queryFn: () => api.get<PromptDetail>(`projects/${slug}/prompts/${id}`),
  });
  return (
    <>
      <PageHeader title={t('Prompt {{id}}', { id })} />
      <Loaded query={prompt}>
        {({ messages, completions }) => (
          <Stack gap="xl">
            <Conversation messages={messages} />
            <section>
              <Title order={2} mb="sm">
                {t('{{count}} completions', { count: completions.length })}
              </Title>
              {completions.length === 0 && <EmptyState title={t('No completions yet')} />}
              <SimpleGrid cols={{ base: 1, md: 2 }}>
                {completions.map((completion) => (
                  <Card key={completion.id} withBorder radius="md">
                    <Group justify="space-between" mb="xs">
                      <Badge variant="light" tt="none">
                        {completion.source.name} · {inWords(completion.source.kind)}
                      </Badge>
                      <Copy value={completion.text} label={t('Copy the completion')} />
                    </Group>
                    <Markdown text={completion.text} />
                  </Card>
                ))}
              </SimpleGrid>
            </section>
          </Stack>
        )}
      </Loaded>
    </>
  );
}
