import { Alert, Anchor, Badge, Box, Card, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { DriftBins, DriftMeasure, DriftReportDetail, DriftResult } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { VERDICTS } from '@/lib/verdicts';
import { VerdictBadge } from './DriftPage';
import { binLabels, kindOf, nameOf, pText, shown } from './words';

/** One drift report: verdict, measures, where the difference comes from. */
export function DriftReportPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const report = useQuery({
    queryKey: ['projects', slug, 'drift-reports', id],
    queryFn: () => api.get<DriftReportDetail>(`projects/${slug}/drift-reports/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.report && !data.job?.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={report}>
      {(found) => (
        <>
          <PageHeader
            title={t('Drift report {{number}}', { number: found.number })}
            description={
              <Filled
                text={t('On reward model {{model}}, {{when}}')}
                model={
                  <Anchor underline="always" component={Link} to={`/projects/${slug}/reward-models/${found.reward_model.id}`}>
                    v{found.reward_model.version}
                  </Anchor>
                }
                when={<TimeAgo at={found.created_at} />}
              />
            }
            actions={<VerdictBadge report={found} />}
          />
          {found.report ? (
            <Report verdict={found.verdict} result={found.report} />
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

function Report({ verdict, result }: { verdict: DriftReportDetail['verdict']; result: DriftResult }) {
  const shownAs = VERDICTS[verdict === '' ? 'too_few' : verdict];
  return (
    <Stack gap="xl">
      <Alert color={shownAs.colour} title={shownAs.label} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
        <Stack gap={4}>
          <Text size="sm">{result.sentence}</Text>
          <Text size="sm">{comparedText(result)}</Text>
          {result.origin && <Text size="sm">{result.origin.sentence}</Text>}
        </Stack>
      </Alert>
      {result.measures.length > 0 && <Measures title={t('Measures')} rows={result.measures} rule={result.rule} />}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        {result.lengths && <Bins title={t('Lengths in characters')} bins={result.lengths} digits={0} />}
        {result.rewards && <Bins title={t('Rewards')} bins={result.rewards} digits={2} />}
      </SimpleGrid>
      {result.origin && (
        <Measures
          title={t('Are the prompts new, or what is written to them?')}
          rows={[result.origin.prompts, result.origin.prompt_lengths, result.origin.completions].filter((row) => row !== null)}
        />
      )}
      <Slices result={result} />
    </Stack>
  );
}

function comparedText({ compared, n }: DriftResult): string {
  const what = {
    generation: t('completions of generation {{number}}', { number: compared.generation ?? '' }),
    current_policy: t('the newest completions of the current policy'),
    newest: t('the newest completions of any model, since none is of the current policy'),
  }[compared.what];
  return t('Compared: {{what}} ({{n}} prompts) with the training completions of comparison set {{set}} ({{training}} prompts).', {
    what,
    n: number(n.policy.used),
    set: compared.comparison_set,
    training: number(n.training.used),
  });
}

function Measures({ title, rows, rule }: { title: string; rows: DriftMeasure[]; rule?: string }) {
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {title}
      </Title>
      <Table.ScrollContainer minWidth={640}>
        <Table aria-label={title}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Measure')}</Table.Th>
              <Table.Th ta="right">{t('Value')}</Table.Th>
              <Table.Th ta="right">{t('95 % interval')}</Table.Th>
              <Table.Th ta="right">{t('Without drift')}</Table.Th>
              <Table.Th ta="right">p</Table.Th>
              <Table.Th>{t('Finding')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums' }}>
            {rows.map((row) => (
              <Table.Tr key={row.name}>
                <Table.Td>
                  {nameOf(row)}
                  <Text size="xs" c="dimmed" maw={420}>
                    {row.sentence}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">{shown(row.name, row.value)}</Table.Td>
                <Table.Td ta="right" style={{ whiteSpace: 'nowrap' }}>
                  {/* A distance has the range of chance beside it, which is no interval of its own. */}
                  {row.low === null || row.name === 'mmd'
                    ? '–'
                    : t('{{low}} to {{high}}', { low: shown(row.name, row.low), high: shown(row.name, row.high) })}
                </Table.Td>
                <Table.Td ta="right">{shown(row.name, row.expected)}</Table.Td>
                <Table.Td ta="right">{pText(row.p_adjusted ?? row.p_value)}</Table.Td>
                <Table.Td>
                  {row.level === null ? (
                    <Text size="sm" c="dimmed">
                      {t('no vote')}
                    </Text>
                  ) : (
                    <Badge color={VERDICTS[row.level].colour} variant="light" style={{ color: 'var(--mantine-color-text)' }}>
                      {VERDICTS[row.level].label}
                    </Badge>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rule && (
        <Text size="sm" c="dimmed" mt="xs">
          {rule}
        </Text>
      )}
    </section>
  );
}

/** Shares of both sides in the tenths of the training side, as bars and as numbers. */
function Bins({ title, bins, digits }: { title: string; bins: DriftBins; digits: number }) {
  const most = Math.max(...bins.training, ...bins.policy, 0.01);
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {title}
      </Title>
      <Table.ScrollContainer minWidth={320}>
        <Table aria-label={title}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Range')}</Table.Th>
              <Table.Th ta="right">{t('Training')}</Table.Th>
              <Table.Th ta="right">{t('Policy')}</Table.Th>
              <Table.Th w="35%" aria-hidden />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums' }}>
            {binLabels(bins.edges, digits).map((label, i) => (
              <Table.Tr key={label}>
                <Table.Td>{label}</Table.Td>
                <Table.Td ta="right">{percent(bins.training[i])}</Table.Td>
                <Table.Td ta="right">{percent(bins.policy[i])}</Table.Td>
                <Table.Td aria-hidden>
                  <Box h={6} mb={2} w={`${(100 * (bins.training[i] ?? 0)) / most}%`} bg="var(--mantine-color-gray-5)" />
                  <Box h={6} w={`${(100 * (bins.policy[i] ?? 0)) / most}%`} bg="var(--mantine-primary-color-filled)" />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Slices({ result: { slices, most_moved } }: { result: DriftResult }) {
  if (slices.length === 0) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('By kinds of prompts')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {most_moved
          ? t('{{kind}} {{value}} has moved most.', { kind: kindOf(most_moved.kind), value: most_moved.value })
          : t('None has measurably moved.')}
      </Text>
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label={t('By kinds of prompts')}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Kind')}</Table.Th>
              <Table.Th>{t('Value')}</Table.Th>
              <Table.Th ta="right">{t('Told apart (AUC)')}</Table.Th>
              <Table.Th ta="right">{t('95 % interval')}</Table.Th>
              <Table.Th ta="right">p</Table.Th>
              <Table.Th ta="right">{t('Prompts of the policy')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums' }}>
            {slices.map((row) => (
              <Table.Tr key={`${row.kind} ${row.value}`}>
                <Table.Td>{kindOf(row.kind)}</Table.Td>
                <Table.Td>{row.value}</Table.Td>
                <Table.Td ta="right">{number(row.auc, 2)}</Table.Td>
                <Table.Td ta="right">{t('{{low}} to {{high}}', { low: number(row.low, 2), high: number(row.high, 2) })}</Table.Td>
                <Table.Td ta="right">{pText(row.p_adjusted)}</Table.Td>
                <Table.Td ta="right">{number(row.n_policy)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
