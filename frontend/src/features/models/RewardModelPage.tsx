import { Accordion, Alert, Anchor, Button, Card, Code, Group, List, Paper, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { LineChart, ScatterChart } from '@mantine/charts';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { RewardModelDetail, Stat } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { AccuracyBars } from './AccuracyBars';
import { ChangeState } from './ChangeState';
import { bucketText, calibration, evaluations, isStat, numberAt, slices, statAt, tableLabel } from './report';
import { STATE_COLOURS } from './states';
import { TryIt } from './TryIt';

export function RewardModelPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const key = ['projects', slug, 'reward-models', id];
  const model = useQuery({
    queryKey: key,
    queryFn: () => api.get<RewardModelDetail>(`projects/${slug}/reward-models/${id}`),
    refetchInterval: (query) => (query.state.data?.state === 'training' ? 3_000 : false),
  });
  return (
    <Loaded query={model}>
      {(found) => (
        <>
          <PageHeader
            title={t('Reward model v{{version}}', { version: found.version })}
            description={
              <Group gap="xs">
                <StateBadge state={found.state} colour={STATE_COLOURS[found.state]} />
                <Text span c="dimmed">
                  {found.state_reason}
                </Text>
              </Group>
            }
            actions={mayTrain && <ChangeState model={found} />}
          />
          <Stack gap="xl">
            {found.job && (found.state === 'training' || found.state === 'failed') && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
              </Card>
            )}
            <Accuracy model={found} />
            {found.state === 'promoted' && <TryIt version={found.version} />}
            {(found.state === 'candidate' || found.state === 'retired') && (
              <Text size="sm" c="dimmed">
                {t('It can be tried on texts of your own while it is promoted: the scorer serves the promoted model only.')}
              </Text>
            )}
            <Details model={found} />
            <LineageList model={found} slug={slug} />
            <Accordion variant="contained">
              <Accordion.Item value="config">
                <Accordion.Control>{t('Configuration')}</Accordion.Control>
                <Accordion.Panel>
                  <Code block>{JSON.stringify(found.config, null, 2)}</Code>
                </Accordion.Panel>
              </Accordion.Item>
              <Accordion.Item value="report">
                <Accordion.Control>{t('Whole report')}</Accordion.Control>
                <Accordion.Panel>
                  <Code block>{JSON.stringify(found.report, null, 2)}</Code>
                </Accordion.Panel>
              </Accordion.Item>
            </Accordion>
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Accuracy({ model }: { model: RewardModelDetail }) {
  const { accuracy, baselines } = model.metrics;
  if (accuracy.n === 0) {
    return (
      <EmptyState title={model.state === 'training' ? t('Training') : t('Not evaluated')}>
        {model.state === 'training' ? t('Figures appear when it has been evaluated.') : model.state_reason}
      </EmptyState>
    );
  }
  const incumbent = model.report.incumbent as { version?: number; accuracy?: unknown } | undefined;
  const rows: { label: string; stat: Stat; isModel?: boolean }[] = [
    { label: t('This model, v{{version}}', { version: model.version }), stat: accuracy, isModel: true },
    ...(incumbent && isStat(incumbent.accuracy)
      ? [{ label: t('In use before, v{{version}}', { version: incumbent.version ?? '' }), stat: incumbent.accuracy }]
      : []),
    { label: t('“The longer one is better”'), stat: baselines.longer },
    { label: t('“Always a”'), stat: baselines.always_a },
  ];
  const advantage = statAt(model.report, 'advantage', 'longer');
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Accuracy on held-out prompts')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Share of {{count}} comparisons with a preferred side that it ranks as the labellers did, all on the same comparisons, none of whose prompts it was trained on. Lines are 95 % intervals.', {
          count: accuracy.n,
        })}
      </Text>
      <AccuracyBars rows={rows} />
      {advantage && advantage.low !== null && advantage.low <= 0 && (
        <Alert color="yellow" mt="sm">
          {t('On these comparisons it cannot be told from “the longer one is better” yet: more ratings narrow the interval.')}
        </Alert>
      )}
    </section>
  );
}

function Details({ model }: { model: RewardModelDetail }) {
  const { intensity_labels } = useProject();
  const tables = slices(model.report);
  const bins = calibration(model.report);
  const curve = evaluations(model.report);
  const ece = numberAt(model.report, 'calibration', 'ece');
  const byLength = numberAt(model.report, 'length_correlation', 'within_comparison', 'spearman');
  if (tables.length === 0 && bins.length === 0 && curve.length < 2) return null;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      {tables.map(({ title, heading, rows }) => (
        <section key={title}>
          <Title order={3} size="h5" mb="xs">
            {title}
          </Title>
          <Table aria-label={tableLabel(title)}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{heading}</Table.Th>
                <Table.Th>{t('Accuracy')}</Table.Th>
                <Table.Th ta="right">{t('Comparisons')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.bucket}>
                  <Table.Td>{bucketText(row.bucket, title, intensity_labels)}</Table.Td>
                  <Table.Td>
                    <StatText stat={row.accuracy} />
                  </Table.Td>
                  <Table.Td ta="right" c="dimmed">
                    {number(row.accuracy.n)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </section>
      ))}
      {byLength !== null && (
        <section>
          <Title order={3} size="h5" mb="xs">
            {t('Length')}
          </Title>
          <Paper withBorder p="md" radius="md">
            <Text fz={28} fw={650}>
              {number(byLength, 2)}
            </Text>
            <Text size="sm" c="dimmed">
              {t('Rank correlation of the reward gap with the difference in length. Far from 0, the model has learned length.')}
            </Text>
          </Paper>
        </section>
      )}
      {bins.length > 1 && (
        <section>
          <Title order={3} size="h5">
            {ece === null ? t('Calibration') : t('Calibration, expected error {{error}}', { error: number(ece, 3) })}
          </Title>
          <Text size="sm" c="dimmed" mb="xs">
            {t('How sure it is that a is better, and how often the labellers said so. On the line, the two are the same.')}
          </Text>
          <ScatterChart
            h={240}
            data={[{ name: 'bins', color: 'blue.6', data: bins.map(({ predicted, observed }) => ({ predicted, observed })) }]}
            dataKey={{ x: 'predicted', y: 'observed' }}
            xAxisLabel={t('predicted')}
            yAxisLabel={t('observed')}
            xAxisProps={{ domain: [0, 1] }}
            yAxisProps={{ domain: [0, 1] }}
            valueFormatter={(value) => number(value, 2)}
            referenceLines={[{ segment: [{ x: 0, y: 0 }, { x: 1, y: 1 }], color: 'gray.5', label: '' }]}
          />
        </section>
      )}
      {curve.length > 1 && (
        <section>
          <Title order={3} size="h5" mb="xs">
            {t('Validation loss in training')}
          </Title>
          <LineChart
            h={240}
            data={curve}
            dataKey="step"
            series={[{ name: 'loss', label: t('loss'), color: 'blue.6' }]}
            withDots
            yAxisProps={{ domain: ['auto', 'auto'], tickFormatter: (value: number) => number(value, 2) }}
            valueFormatter={(value) => number(value, 3)}
            xAxisLabel={t('update')}
          />
        </section>
      )}
    </SimpleGrid>
  );
}

function LineageList({ model, slug }: { model: RewardModelDetail; slug: string }) {
  const { comparison_set, n_comparisons, n_ratings, n_labellers, guideline_versions, base_models, refresh, sampling_rounds } =
    model.lineage;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Where it comes from')}
      </Title>
      <List spacing={4}>
        <List.Item>
          <Anchor component={Link} to={`/projects/${slug}/comparison-sets/${comparison_set.id}`}>
            {t('Comparison set {{number}}', { number: comparison_set.number })}
          </Anchor>
          :{' '}
          {t('{{comparisons}}, {{ratings}} by {{labellers}}', {
            comparisons: t('{{count}} comparisons', { count: n_comparisons }),
            ratings: t('{{count}} ratings', { count: n_ratings }),
            labellers: t('{{count}} labellers', { count: n_labellers }),
          })}
          {guideline_versions.length > 0 &&
            `, ${t('guidelines {{versions}}', { versions: guideline_versions.map((version) => `v${version}`).join(', ') })}`}
        </List.Item>
        {base_models.length > 0 ? (
          base_models.map((base) => (
            <List.Item key={base.name}>
              {base.kind === 'sft' ? t('SFT model') : t('Base model')} {base.name}
            </List.Item>
          ))
        ) : (
          <List.Item>
            {t('Base model')} {model.base_model}
          </List.Item>
        )}
        {refresh && (
          <List.Item>
            <Anchor component={Link} to={`/projects/${slug}/refreshes/${refresh.id}`}>
              {t('Refresh {{number}}', { number: refresh.number })}
            </Anchor>
          </List.Item>
        )}
        {sampling_rounds.map((round) => (
          <List.Item key={round.id}>
            <Filled
              text={t('Chose {{round}}')}
              round={
                <Anchor component={Link} to={`/projects/${slug}/sampling-rounds/${round.id}`}>
                  {t('sampling round {{number}}', { number: round.number })}
                </Anchor>
              }
            />
          </List.Item>
        ))}
        <List.Item>
          <Filled
            text={model.promoted_at ? t('Made {{when}}, promoted {{promotion}}') : t('Made {{when}}')}
            when={<TimeAgo at={model.created_at} />}
            promotion={<TimeAgo at={model.promoted_at} />}
          />
        </List.Item>
      </List>
      {model.job && (
        <Button component={Link} to={`/projects/${slug}/jobs/${model.job.id}`} variant="subtle" size="compact-sm" mt="xs">
          {t('Its job and log')}
        </Button>
      )}
    </section>
  );
}
