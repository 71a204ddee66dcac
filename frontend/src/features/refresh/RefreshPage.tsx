import { Accordion, Anchor, Card, Group, SimpleGrid, Stack, Table, Text, Timeline, Title } from '@mantine/core';
import { IconCheck, IconLoader2, IconMinus, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { JobActions } from '@/components/JobActions';
import { JobLog } from '@/components/JobLog';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { StatCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { RefreshCycle, StageState } from '@/lib/api/types';
import { duration } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { configRows } from './form';
import { colour, label, lastBegun, MODEL_COLOURS, STAGES } from './stages';

const ICONS: Record<StageState, typeof IconCheck | null> = {
  pending: null,
  running: IconLoader2,
  succeeded: IconCheck,
  skipped: IconMinus,
  failed: IconX,
};

export function RefreshPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const key = ['projects', slug, 'refreshes', id];
  const refresh = useQuery({
    queryKey: key,
    queryFn: () => api.get<RefreshCycle>(`projects/${slug}/refreshes/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.job.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={refresh}>
      {(cycle) => (
        <>
          <PageHeader
            title={`${t('Refresh {{number}}', { number: cycle.number })}${cycle.name ? `: ${cycle.name}` : ''}`}
            description={
              <Group gap="xs">
                <StateBadge state={cycle.state} />
                <Text span c="dimmed">
                  <Filled text={t('started {{when}}')} when={<TimeAgo at={cycle.created_at} />} />
                </Text>
              </Group>
            }
            actions={mayTrain && <JobActions job={cycle.job} reload={key} />}
          />
          <Stack gap="xl">
            <Card withBorder radius="md">
              <JobProgress job={cycle.job} />
            </Card>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
              <Stages cycle={cycle} />
              <Results cycle={cycle} slug={slug} />
            </SimpleGrid>
            <section>
              <Title order={2} size="h4" mb="xs">
                {t('Log')}
              </Title>
              <JobLog jobId={cycle.job.id} isLive={!cycle.job.finished_at} />
            </section>
            <StartedWith cycle={cycle} />
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Stages({ cycle }: { cycle: RefreshCycle }) {
  return (
    <section aria-label={t('Stages')}>
      <Timeline active={lastBegun(cycle.stages)} bulletSize={26} lineWidth={2}>
        {cycle.stages.map((stage) => {
          const Icon = ICONS[stage.state];
          return (
            <Timeline.Item
              key={stage.name}
              color={colour(stage.state)}
              bullet={Icon && <Icon size={14} aria-hidden />}
              title={
                <Group gap="xs">
                  {label(stage.name)}
                  <StateBadge state={stage.state} colour={colour(stage.state)} />
                </Group>
              }
            >
              <Text size="sm" c={stage.state === 'failed' ? 'red' : 'dimmed'}>
                {stage.summary || STAGES[stage.name]?.does}
              </Text>
              {stage.started_at && (
                <Text size="xs" c="dimmed">
                  <Filled
                    text={t('{{duration}}, began {{when}}', { duration: duration(stage.started_at, stage.finished_at) })}
                    when={<TimeAgo at={stage.started_at} />}
                  />
                </Text>
              )}
            </Timeline.Item>
          );
        })}
      </Timeline>
    </section>
  );
}

function Results({ cycle, slug }: { cycle: RefreshCycle; slug: string }) {
  const model = cycle.reward_model;
  return (
    <section aria-label={t('Results')}>
      <Stack>
        {model && model.metrics.accuracy.n > 0 && (
          <SimpleGrid cols={{ base: 1, xs: 3, md: 1, lg: 3 }}>
            <StatCard label={t('Held-out accuracy')} stat={model.metrics.accuracy} />
            <StatCard label={t('“Longer is better”')} stat={model.metrics.baselines.longer} />
            <StatCard label={t('“Always a”')} stat={model.metrics.baselines.always_a} />
          </SimpleGrid>
        )}
        {cycle.comparison_set && (
          <Anchor component={Link} to={`/projects/${slug}/comparison-sets/${cycle.comparison_set.id}`}>
            {t('Comparison set {{number}}', { number: cycle.comparison_set.number })}
          </Anchor>
        )}
        {model && (
          <Group gap="xs">
            <Anchor component={Link} to={`/projects/${slug}/reward-models/${model.id}`}>
              {t('Reward model v{{version}}', { version: model.version })}
            </Anchor>
            <StateBadge state={model.state} colour={MODEL_COLOURS[model.state]} />
            <Text size="sm" c="dimmed">
              {model.state_reason}
            </Text>
          </Group>
        )}
        {cycle.sampling_round && (
          <Anchor component={Link} to={`/projects/${slug}/sampling-rounds/${cycle.sampling_round.id}`}>
            {t('Sampling round {{number}}: what is asked next, and why', { number: cycle.sampling_round.number })}
          </Anchor>
        )}
        {!cycle.comparison_set && !model && <Text c="dimmed">{t('Results appear here as the stages end.')}</Text>}
      </Stack>
    </section>
  );
}

function StartedWith({ cycle }: { cycle: RefreshCycle }) {
  return (
    <Accordion variant="contained">
      <Accordion.Item value="config">
        <Accordion.Control>{t('What it was started with')}</Accordion.Control>
        <Accordion.Panel>
          <Table aria-label={t('What it was started with')} w="fit-content">
            <Table.Tbody>
              {configRows(cycle.config).map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th fw={400} c="dimmed" scope="row">
                    {name}
                  </Table.Th>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}
