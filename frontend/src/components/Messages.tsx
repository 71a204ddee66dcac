import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { complain } from '@/components/notify';
import { TimeAgo } from '@/components/TimeAgo';
import { api, type Page } from '@/lib/api/client';
import type { LabellerMessage } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

export const messagesKey = (slug: string) => ['projects', slug, 'messages'] as const;

/** Who wrote it, when, and what. */
export function MessageText({ message }: { message: LabellerMessage }) {
  return (
    <div>
      <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} dir="auto">
        {message.text}
      </Text>
      <Text size="sm" c="dimmed">
        {message.sender}, <TimeAgo at={message.created_at} />
      </Text>
    </div>
  );
}

interface Props {
  /** What is being looked at: it must not be moved by a message, which waits for the next one. */
  heldFor?: number;
}

/** What reviewers have written to the reader and they have not marked as read. Nothing where there is nothing. */
export function UnreadMessages({ heldFor }: Props) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const unread = useQuery({
    queryKey: [...messagesKey(slug), 'unread'],
    queryFn: () => api.get<Page<LabellerMessage>>(`projects/${slug}/messages`, { unread: 1 }),
    staleTime: 60_000,
    refetchInterval: 120_000,
  });
  const read = useMutation({
    mutationFn: (id: number) => api.post(`projects/${slug}/messages/${id}/read`),
    onSuccess: () => queries.invalidateQueries({ queryKey: messagesKey(slug) }),
    onError: complain,
  });
  const known = unread.data?.results;
  const [shown, setShown] = useState<{ heldFor?: number; ids: number[] | null }>({ ids: null });
  const ids = known?.map(({ id }) => id) ?? null;
  const mayChange = heldFor === undefined || shown.ids === null || shown.heldFor !== heldFor;
  if (mayChange && (shown.heldFor !== heldFor || String(shown.ids) !== String(ids))) setShown({ heldFor, ids });
  const messages = known?.filter(({ id }) => shown.ids?.includes(id)) ?? [];
  if (messages.length === 0) return null;
  return (
    <Stack gap="xs" mb="md" role="region" aria-label={t('Messages from the reviewers')}>
      {messages.toReversed().map((message) => (
        <Alert key={message.id} color="blue" p="sm" title={t('Message from the reviewers')} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
          <Group justify="space-between" align="flex-end" gap="xs">
            <MessageText message={message} />
            <Button size="compact-sm" variant="default" loading={read.isPending && read.variables === message.id} onClick={() => read.mutate(message.id)}>
              {t('Mark as read')}
            </Button>
          </Group>
        </Alert>
      ))}
    </Stack>
  );
}
