import { Alert, Badge, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Copy } from '@/components/Copy';
import { StateBadge } from '@/components/JobProgress';
import { Markdown } from '@/components/Markdown';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useMe, useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import { Adjudicate } from './Adjudicate';
import { Gold } from './Gold';
import { SCROLLABLE } from './scrollable';
import { hasRated, STATE_COLOURS, verdict } from './words';

export function ComparisonPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const maySettle = useMay('adjudicate');
  const me = useMe();
  const comparison = useQuery({
    queryKey: ['projects', slug, 'comparisons', id],
    queryFn: () => api.get<ComparisonDetail>(`projects/${slug}/comparisons/${id}`),
  });
  return (
    <Loaded query={comparison}>
      {(found) => (
        <>
          <PageHeader title={t('Comparison {{id}}', { id: found.id })} description={<Standing found={found} />} />
          <Stack gap="xl">
            <Conversation messages={found.prompt.messages} />
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Side name="A" side={found.a} n={found.n_a} />
              <Side name="B" side={found.b} n={found.n_b} />
            </SimpleGrid>
            <Flags found={found} />
            <Ratings found={found} />
            {found.adjudication && <Settled found={found} />}
            {maySettle &&
              me.data &&
              (hasRated(found, me.data.pseudonym) ? (
                <Alert color="gray" title={t('Another reviewer has to settle it')}>
                  {t('You rated this comparison yourself.')}
                </Alert>
              ) : (
                <Adjudicate key={found.adjudication?.id} comparison={found} />
              ))}
            {maySettle && <Gold comparison={found} />}
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Standing({ found }: { found: ComparisonDetail }) {
  return (
    <Group gap="xs">
      <StateBadge state={found.state} colour={STATE_COLOURS[found.state]} />
      {found.is_gold && <StateBadge state="gold" colour="yellow" />}
      {found.warnings.map((category) => (
        <Badge key={category} variant="outline" color="orange" c="var(--mantine-color-text)" tt="none">
          {t('Warning: {{category}}', { category })}
        </Badge>
      ))}
      <Text span>
        {t('{{number}} of {{count}} ratings wanted', { number: number(found.n_ratings), count: found.n_wanted })}
        {found.disagreement !== null &&
          found.n_ratings > 1 &&
          `, ${t('{{share}} dissent', { share: percent(found.disagreement, 0) })}`}
      </Text>
    </Group>
  );
}

function Side({ name, side, n }: { name: string; side: ComparisonDetail['a']; n: number }) {
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Completion {{name}}', { name })}>
      <Group justify="space-between" mb="xs">
        <Group gap="xs">
          <Title order={2} size="h4">
            {name}
          </Title>
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {side.source.name} · {inWords(side.source.kind)}
          </Text>
        </Group>
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            {t('preferred by {{number}}', { number: number(n) })}
          </Text>
          <Copy value={side.text} label={t('Copy completion {{name}}', { name })} />
        </Group>
      </Group>
      <Markdown text={side.text} />
    </Card>
  );
}

function Ratings({ found }: { found: ComparisonDetail }) {
  const { intensity_labels, bucket_axis, bucket_labels } = useProject();
  // Ratings keep their answer when a project no longer asks.
  const hasBuckets = bucket_labels.length > 0 || found.ratings.some(({ bucket }) => bucket !== null);
  return (
    <section>
      <Title order={2} size="h4" mb="sm">
        {t('{{count}} ratings', { count: found.ratings.length })}
      </Title>
      {found.ratings.length === 0 ? (
        <Text c="dimmed">{t('Nobody has rated it yet. The queue hands it out by its priority.')}</Text>
      ) : (
        <Table.ScrollContainer minWidth={640} scrollAreaProps={SCROLLABLE}>
          <Table aria-label={t('Ratings')} verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Labeller')}</Table.Th>
                <Table.Th>{t('Rating')}</Table.Th>
                {hasBuckets && <Table.Th>{bucket_axis || t('Second question')}</Table.Th>}
                <Table.Th>{t('Saw first')}</Table.Th>
                <Table.Th>{t('Reason')}</Table.Th>
                <Table.Th ta="right">{t('Time')}</Table.Th>
                <Table.Th>{t('Guidelines')}</Table.Th>
                <Table.Th>{t('When')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.ratings.map((rating) => (
                <Table.Tr key={rating.id} c={rating.is_superseded ? 'dimmed' : undefined}>
                  <Table.Td>
                    <Text span ff="monospace" fz="sm">
                      {rating.labeller.pseudonym}
                    </Text>
                    {rating.origin !== 'labeller' && (
                      <Text size="xs" c="dimmed">
                        {inWords(rating.origin)}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td fw={550}>
                    <Text span inherit td={rating.is_superseded ? 'line-through' : undefined}>
                      {verdict(intensity_labels, rating.preferred, rating.intensity)}
                    </Text>
                    {rating.is_neither_acceptable && <Text size="xs">{t('neither is acceptable')}</Text>}
                    {rating.is_superseded && <Text size="xs">{t('corrected by a later rating')}</Text>}
                    {rating.is_repeat && (
                      <Text size="xs" c="dimmed">
                        {t('asked again; does not count')}
                      </Text>
                    )}
                  </Table.Td>
                  {hasBuckets && <Table.Td>{rating.bucket === null ? '–' : (bucket_labels[rating.bucket] ?? number(rating.bucket + 1))}</Table.Td>}
                  <Table.Td>{rating.first?.toUpperCase() ?? '–'}</Table.Td>
                  <Table.Td maw={320}>
                    {rating.justification || (rating.spans.length === 0 && '–')}
                    {rating.spans.map(({ side, start, end, quote }) => (
                      <Text key={`${side} ${start} ${end}`} size="xs" c="dimmed" dir="auto">
                        {t('Marked in {{name}}: “{{quote}}”', { name: side.toUpperCase(), quote })}
                      </Text>
                    ))}
                  </Table.Td>
                  <Table.Td ta="right">{rating.active_ms === null ? '–' : `${Math.round(rating.active_ms / 1000)} s`}</Table.Td>
                  <Table.Td>{rating.guideline_version ? `v${rating.guideline_version}` : '–'}</Table.Td>
                  <Table.Td>
                    <TimeAgo at={rating.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}

function Flags({ found }: { found: ComparisonDetail }) {
  return found.flags.map((flag) => (
    <Alert
      key={flag.id}
      color={flag.resolved_at ? 'gray' : 'red'}
      title={`${flag.resolved_at ? t('Resolved flag') : t('Flagged')}: ${inWords(flag.kind)}`}
    >
      {flag.note || t('No note.')}{' '}
      <Text span c="dimmed" size="sm">
        {flag.labeller.pseudonym}, <TimeAgo at={flag.created_at} />
      </Text>
    </Alert>
  ));
}

function Settled({ found }: { found: ComparisonDetail }) {
  const { intensity_labels } = useProject();
  const settled = found.adjudication;
  if (!settled) return null;
  return (
    <Alert color="grape" title={t('Settled: {{verdict}}', { verdict: verdict(intensity_labels, settled.verdict, settled.intensity) })}>
      {settled.note}{' '}
      <Text span c="dimmed" size="sm">
        {settled.reviewer}, <TimeAgo at={settled.created_at} />
      </Text>
    </Alert>
  );
}
