import { Alert, Anchor, Box, Button, Card, Group, SimpleGrid, Stack, Table, Tabs, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard, rangeOf } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ModelBrief, ModelComparisonDetail, Stat } from '@/lib/api/types';
import { number, percent, signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { AccuracyBars } from './AccuracyBars';
import { agreementOf, better, errorOf, partings, pointRange, pointsText } from './compare';
import { bucketText, differencesBySlice, numberAt, statAt } from './report';
import { ReportCsv } from './ReportCsv';
import { Excerpts } from './RewardModelErrors';

const AT_FIRST = 5;
const named = ({ version }: ModelBrief) => `v${version}`;

/** Two models side by side on the same held-out comparisons. */
export function CompareReportPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const comparison = useQuery({
    queryKey: ['projects', slug, 'reward-models', 'compare', id],
    queryFn: () => api.get<ModelComparisonDetail>(`projects/${slug}/reward-models/compare/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.report && !data.job?.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={comparison}>
      {(found) => (
        <>
          <PageHeader
            title={t('v{{a}} and v{{b}}', { a: found.a.version, b: found.b.version })}
            description={
              <Filled
                text={t('Held-out comparisons of {{set}}, compared {{when}}')}
                set={
                  <Anchor underline="always" component={Link} to={`/projects/${slug}/comparison-sets/${found.comparison_set.id}`}>
                    {t('comparison set {{number}}', { number: found.comparison_set.number })}
                  </Anchor>
                }
                when={<TimeAgo at={found.created_at} />}
              />
            }
            actions={[found.a, found.b].map((model) => (
              <Button key={model.id} component={Link} to={`/projects/${slug}/reward-models/${model.id}`} variant="default">
                {named(model)}
              </Button>
            ))}
          />
          {found.report ? (
            <Report report={found.report} a={found.a} b={found.b} />
          ) : (
            found.job && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
              </Card>
            )
          )}
        </>
      )}
    </Loaded>
  );
}

interface Props {
  report: Record<string, unknown>;
  a: ModelBrief;
  b: ModelBrief;
}

function Report({ report, a, b }: Props) {
  const difference = statAt(report, 'difference');
  const [ofA, ofB] = [statAt(report, 'a', 'accuracy'), statAt(report, 'b', 'accuracy')];
  const p = numberAt(report, 'p_value') ?? numberAt(report, 'mcnemar', 'p_value');
  const agreement = agreementOf(report);
  const [errorA, errorB] = [errorOf(report, 'a'), errorOf(report, 'b')];
  return (
    <Stack gap="xl">
      <section>
        <Title order={2} size="h4" mb="xs">
          {t('Accuracy on the same comparisons')}
        </Title>
        {difference && <Verdict difference={difference} a={a} b={b} p={p} />}
        {ofA && ofB && (
          <AccuracyBars
            rows={[
              { label: named(a), stat: ofA, isModel: true },
              { label: named(b), stat: ofB, isModel: true },
            ]}
          />
        )}
      </section>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
        {agreement !== null && <CountCard label={t('Prefer the same side')} value={percent(agreement)} />}
        {errorA !== null && <CountCard label={t('Calibration error of {{model}}', { model: named(a) })} value={number(errorA, 3)} />}
        {errorB !== null && <CountCard label={t('Calibration error of {{model}}', { model: named(b) })} value={number(errorB, 3)} />}
      </SimpleGrid>
      <BySlice report={report} a={a} b={b} />
      <Partings report={report} a={a} b={b} />
    </Stack>
  );
}

function Verdict({ difference, a, b, p }: { difference: Stat; a: ModelBrief; b: ModelBrief; p: number | null }) {
  const winner = better(difference);
  const told = [
    pointsText(difference, named(a), named(b)),
    p !== null && (p < 0.001 ? t('p < 0.001') : t('p = {{p}}', { p: number(p, 3) })),
    `n = ${number(difference.n)}`,
  ]
    .filter(Boolean)
    .join(', ');
  return (
    <Alert
      color={winner ? 'teal' : 'gray'}
      mb="md"
      title={winner ? t('{{model}} is better', { model: named(winner === 'a' ? a : b) }) : t('They cannot be told apart on these comparisons')}
      styles={{ title: { color: 'var(--mantine-color-text)' } }}
    >
      {told}
    </Alert>
  );
}

function BySlice({ report, a, b }: Props) {
  const { intensity_labels } = useProject();
  const groups = differencesBySlice(report);
  const first = groups[0];
  if (!first) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('By kinds of comparisons')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Points by which {{b}} is ahead of {{a}}; lines are 95 % intervals. With many slices one stands out by chance.', { a: named(a), b: named(b) })}
      </Text>
      <Tabs defaultValue={first.name} keepMounted={false} variant="outline">
        <Tabs.List mb="sm" aria-label={t('By kinds of comparisons')}>
          {groups.map(({ name, tab }) => (
            <Tabs.Tab key={name} value={name}>
              {tab}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {groups.map(({ name, title, heading, rows }) => (
          <Tabs.Panel key={name} value={name}>
            <Group justify="flex-end" mb={4}>
              <ReportCsv
                name={`${named(a)}-${named(b)}-${name}`}
                title={title}
                head={['bucket', 'difference', 'low', 'high', 'n']}
                rows={rows.map(({ bucket, difference: { value, low, high, n } }) => [bucket, value, low, high, n])}
              />
            </Group>
            <Table.ScrollContainer minWidth={480}>
              <Table aria-label={title}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{heading}</Table.Th>
                    <Table.Th ta="right">{t('Points')}</Table.Th>
                    <Table.Th ta="right">{t('95 % interval')}</Table.Th>
                    <Table.Th ta="right">{t('Comparisons')}</Table.Th>
                    <Table.Th w="35%" aria-hidden />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums' }}>
                  {rows.map(({ bucket, difference }) => (
                    <Table.Tr key={bucket}>
                      <Table.Td>{bucketText(bucket, name, intensity_labels)}</Table.Td>
                      <Table.Td ta="right">{difference.value === null ? '–' : signedPoints(difference.value, 1)}</Table.Td>
                      <Table.Td ta="right">{pointRange(difference) || rangeOf(difference) || '–'}</Table.Td>
                      <Table.Td ta="right">{number(difference.n)}</Table.Td>
                      <Table.Td aria-hidden>
                        <Whisker stat={difference} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
}

/** A difference from −1 to 1 around a line at 0, with its interval. */
function Whisker({ stat: { value, low, high } }: { stat: Stat }) {
  // Half a point each way is as far as differences of accuracy go in practice; what lies beyond ends at the edge.
  const at = (share: number) => `${100 * Math.min(1, Math.max(0, 0.5 + share))}%`;
  return (
    <Box pos="relative" h={14}>
      <Box pos="absolute" left="50%" top={0} bottom={0} w={1} bg="var(--chart-mark)" />
      {low !== null && high !== null && (
        <Box pos="absolute" top={6} h={2} left={at(low)} style={{ right: `calc(100% - ${at(high)})` }} bg="var(--chart-main)" />
      )}
      {value !== null && <Box pos="absolute" top={3} left={at(value)} w={8} h={8} ml={-4} bg="var(--chart-main)" style={{ borderRadius: 4 }} />}
    </Box>
  );
}

function Partings({ report, a, b }: Props) {
  const { slug } = useProject();
  const [areAllShown, setAllShown] = useState(false);
  const rows = partings(report);
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="partings">
      <Title order={2} size="h4" mb="xs" id="partings">
        {t('Where they part')}
      </Title>
      <Stack>
        {(areAllShown ? rows : rows.slice(0, AT_FIRST)).map((row, position) => (
          <Card key={row.comparison_id ?? position} withBorder radius="md" component="article">
            <Group justify="space-between" gap="xs" mb="xs">
              <Text size="sm" fw={600}>
                {row.a_gap !== null &&
                  row.b_gap !== null &&
                  t('{{model}} is right', { model: named(row.a_gap > row.b_gap ? a : b) })}
                <Text span c="dimmed" fw={400} size="sm">
                  {' '}
                  {t('reward gaps: {{a}} {{gapA}}, {{b}} {{gapB}}', {
                    a: named(a),
                    gapA: number(row.a_gap, 2),
                    b: named(b),
                    gapB: number(row.b_gap, 2),
                  })}
                </Text>
              </Text>
              {row.comparison_id !== null && (
                <Anchor component={Link} size="sm" to={`/projects/${slug}/comparisons/${row.comparison_id}`}>
                  {t('Comparison {{id}}', { id: row.comparison_id })}
                </Anchor>
              )}
            </Group>
            <Excerpts {...row} />
          </Card>
        ))}
      </Stack>
      {rows.length > AT_FIRST && (
        <Button mt="sm" variant="default" size="xs" onClick={() => setAllShown(!areAllShown)}>
          {areAllShown ? t('Show fewer') : t('Show all {{number}}', { number: number(rows.length) })}
        </Button>
      )}
    </section>
  );
}
