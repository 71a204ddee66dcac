import { Anchor, Button, Card, Group, Stack, Text } from '@mantine/core';
import { Link } from 'react-router';
import { TimeAgo } from '@/components/TimeAgo';
import type { DraftNote } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

interface Props {
  notes: DraftNote[];
  /** The note at this position has been written into the text. */
  onDone: (position: number) => void;
}

/** What reviewers noted for the next version while they settled comparisons. */
export function Notes({ notes, onDone }: Props) {
  const { slug } = useProject();
  if (notes.length === 0) return <Text c="dimmed">{t('No notes are left.')}</Text>;
  return (
    <Stack gap="sm">
      {notes.map((note, position) => (
        <Card key={`${note.comparison ?? ''} ${note.at} ${position}`} withBorder padding="sm" component="section" aria-label={t('Note {{number}}', { number: position + 1 })}>
          {note.section && (
            <Text size="sm" fw={600}>
              {note.section}
            </Text>
          )}
          <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} dir="auto">
            {note.text}
          </Text>
          <Group justify="space-between" mt="xs" gap="xs">
            <Text size="sm" c="dimmed">
              {note.by}
              {note.at && (
                <>
                  {', '}
                  <TimeAgo at={note.at} />
                </>
              )}
              {note.comparison !== null && (
                <>
                  {' · '}
                  <Anchor component={Link} to={`/projects/${slug}/comparisons/${note.comparison}`} inherit underline="always">
                    {t('Comparison {{id}}', { id: note.comparison })}
                  </Anchor>
                </>
              )}
            </Text>
            <Button size="compact-sm" variant="default" onClick={() => onDone(position)} aria-label={t('Note {{number}} is done', { number: position + 1 })}>
              {t('Done')}
            </Button>
          </Group>
        </Card>
      ))}
    </Stack>
  );
}
