import { Anchor, Badge, Button, Card, Group, SegmentedControl, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Markdown } from '@/components/Markdown';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { ComparisonSet, Message, SetRow } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

const SPLITS = [
  { value: 'train', label: t('Training') },
  { value: 'validation', label: t('Validation') },
  { value: 'test', label: t('Held out') },
];
const AT_FIRST = 3;

/** The first rows of a split as they lie in the files, to be read. */
export function ComparisonSetRows({ set }: { set: ComparisonSet }) {
  const { slug } = useProject();
  const [split, setSplit] = useState('train');
  const [areAllShown, setAllShown] = useState(false);
  const rows = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', String(set.id), 'rows', split],
    queryFn: () => api.get<SetRow[]>(`projects/${slug}/comparison-sets/${set.id}/rows`, { split }),
    staleTime: Infinity,
  });
  return (
    <section aria-labelledby="first-rows">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id="first-rows">
          {t('First rows')}
        </Title>
        <SegmentedControl aria-label={t('Split')} data={SPLITS} value={split} onChange={setSplit} />
      </Group>
      <Loaded query={rows}>
        {(found) =>
          found.length === 0 ? (
            <Text c="dimmed">{t('This split has no rows.')}</Text>
          ) : (
            <Stack>
              {(areAllShown ? found : found.slice(0, AT_FIRST)).map((row, position) => (
                <Row key={position} row={row} />
              ))}
              {found.length > AT_FIRST && (
                <Button variant="default" size="xs" w="fit-content" onClick={() => setAllShown(!areAllShown)}>
                  {areAllShown ? t('Show fewer') : t('Show {{number}} rows', { number: number(found.length) })}
                </Button>
              )}
            </Stack>
          )
        }
      </Loaded>
    </section>
  );
}

function Row({ row }: { row: SetRow }) {
  const { slug } = useProject();
  const facts = [
    row.origin !== 'ai' && t('{{count}} ratings', { count: row.n_ratings }),
    row.agreement !== null && t('agreement {{share}}', { share: percent(row.agreement, 0) }),
    row.soft_preference !== null && t('preference {{share}}', { share: percent(row.soft_preference, 0) }),
    row.weight !== null && t('weight {{weight}}', { weight: number(row.weight, 2) }),
    row.margin !== null && t('margin {{margin}}', { margin: number(row.margin, 2) }),
  ].filter(Boolean);
  return (
    <Card withBorder radius="md" component="article">
      <Group justify="space-between" gap="xs" mb="xs">
        <Text size="sm" c="dimmed">
          {row.origin === 'ai' && (
            <Badge variant="light" color="grape" c="var(--mantine-color-text)" tt="none" mr="xs">
              {t('AI rating')}
            </Badge>
          )}
          {row.is_hard && (
            <Badge variant="light" color="orange" c="var(--mantine-color-text)" tt="none" mr="xs">
              {t('hard')}
            </Badge>
          )}
          {facts.join(' · ')}
        </Text>
        <Anchor component={Link} size="sm" to={`/projects/${slug}/comparisons/${row.comparison_id}`}>
          {t('Comparison {{id}}', { id: row.comparison_id })}
        </Anchor>
      </Group>
      <Conversation messages={row.prompt} isFolded />
      <SimpleGrid cols={{ base: 1, sm: 2 }} mt="sm">
        <Side title={t('Chosen')} source={row.chosen_source} messages={row.chosen} />
        <Side title={t('Rejected')} source={row.rejected_source} messages={row.rejected} />
      </SimpleGrid>
    </Card>
  );
}

function Side({ title, source, messages }: { title: string; source: string; messages: Message[] }) {
  return (
    <div style={{ minWidth: 0 }}>
      <Text size="xs" c="dimmed" fw={600} mb={2}>
        {source ? `${title} · ${source}` : title}
      </Text>
      {messages.map((message, position) => (
        <Markdown key={position} text={message.content} />
      ))}
    </div>
  );
}
