import { Anchor, Badge, Button, Card, Group, List, SimpleGrid, Stack, Text, Timeline, Title } from '@mantine/core';
import { IconCheck, IconHourglass, IconLoader2, IconMinus, IconX } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { askFirst } from '@/components/confirm';
import { Filled } from '@/components/Filled';
import { JobLog } from '@/components/JobLog';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { StartedWith } from '@/components/StartedWith';
import { Loaded } from '@/components/States';
import { StatCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { RefreshCycle, StageState } from '@/lib/api/types';
import { duration } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { VERDICTS } from '@/lib/verdicts';
import { configRows } from './configRows';
import { StageActions } from './StageActions';
import { colour, label, lastBegun, MODEL_COLOURS, pollEvery, REFRESH_COLOURS, STAGES, triggerWords, waitingAt } from './stages';
import { Waiting } from './Waiting';

const ICONS: Record<StageState, typeof IconCheck | null> = {
  pending: null,
  running: IconLoader2,
  waiting: IconHourglass,
  succeeded: IconCheck,
  skipped: IconMinus,
  failed: IconX,
};

/** A refresh, stage by stage: what came of each, what it waits for, and what can still be changed. */
export function RefreshPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const refresh = useQuery({
    queryKey: ['projects', slug, 'refreshes', id],
    queryFn: () => api.get<RefreshCycle>(`projects/${slug}/refreshes/${id}`),
    refetchInterval: ({ state: { data } }) => pollEvery(data?.state),
  });
  return (
    <Loaded query={refresh}>
      {(cycle) => {
        const waiting = waitingAt(cycle);
        return (
          <>
            <PageHeader
              title={`${t('Refresh {{number}}', { number: cycle.number })}${cycle.name ? `: ${cycle.name}` : ''}`}
              description={
                <Group gap="xs">
                  <StateBadge state={cycle.state} colour={REFRESH_COLOURS[cycle.state]} />
                  <Text span c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                    <Filled text={t('started {{when}}, {{trigger}}')} when={<TimeAgo at={cycle.created_at} />} trigger={triggerWords(cycle)} />
                  </Text>
                </Group>
              }
              actions={mayTrain && <CycleActions cycle={cycle} />}
            />
            <Stack gap="xl">
              {waiting && <Waiting cycle={cycle} stage={waiting} />}
              {!waiting && cycle.state !== 'succeeded' && (
                <Card withBorder radius="md">
                  <JobProgress job={cycle.job} />
                </Card>
              )}
              <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
                <Stages cycle={cycle} mayTrain={mayTrain} />
                <Results cycle={cycle} slug={slug} />
              </SimpleGrid>
              <section>
                <Title order={2} size="h4" mb="xs">
                  {t('Log')}
                </Title>
                <JobLog key={cycle.job.id} jobId={cycle.job.id} isLive={!cycle.job.finished_at} />
              </section>
              <StartedWith rows={configRows(cycle.config)} />
            </Stack>
          </>
        );
      }}
    </Loaded>
  );
}

function CycleActions({ cycle }: { cycle: RefreshCycle }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (verb: 'cancel' | 'retry') => api.post<RefreshCycle>(`projects/${slug}/refreshes/${cycle.id}/${verb}`),
    onSuccess: async (_, verb) => {
      tell(verb === 'cancel' ? t('The refresh stops at its next safe point.') : t('It goes on from where it stopped.'));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
    },
    onError: complain,
  });
  return (
    <>
      {cycle.can_cancel && !cycle.job.is_cancelling && (
        <Button
          variant="default"
          loading={act.isPending}
          onClick={() =>
            askFirst({
              title: t('Cancel this refresh?'),
              text: t('What was labelled is kept. The comparisons it asked for stay on top of the queue until their round is withdrawn. A retry goes on where it stopped.'),
              confirm: t('Cancel the refresh'),
              onConfirm: () => act.mutate('cancel'),
            })
          }
        >
          {t('Cancel')}
        </Button>
      )}
      {cycle.can_retry && (
        <Button loading={act.isPending} onClick={() => act.mutate('retry')}>
          {t('Retry')}
        </Button>
      )}
    </>
  );
}

function Stages({ cycle, mayTrain }: { cycle: RefreshCycle; mayTrain: boolean }) {
  return (
    <section aria-labelledby="stages">
      <Title order={2} size="h4" mb="sm" id="stages">
        {t('Stages')}
      </Title>
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
              <Text size="sm" c={stage.state === 'failed' ? 'red' : 'dimmed'} style={{ overflowWrap: 'anywhere' }}>
                {stage.summary || STAGES[stage.name]?.does}
              </Text>
              {stage.started_at && stage.state !== 'skipped' && (
                <Text size="xs" c="dimmed">
                  <Filled
                    text={t('{{duration}}, began {{when}}', { duration: duration(stage.started_at, stage.finished_at) })}
                    when={<TimeAgo at={stage.started_at} />}
                  />
                </Text>
              )}
              {mayTrain && <StageActions cycle={cycle} stage={stage} />}
            </Timeline.Item>
          );
        })}
      </Timeline>
    </section>
  );
}

function Results({ cycle, slug }: { cycle: RefreshCycle; slug: string }) {
  const { reward_model: model, drift_report: drift, generation, sampling_round: round, comparison_set: set } = cycle;
  const verdict = drift?.verdict ? VERDICTS[drift.verdict] : null;
  const link = (to: string, text: string, more?: ReactNode) => (
    <List.Item>
      <Group gap="xs">
        <Anchor component={Link} to={`/projects/${slug}/${to}`}>
          {text}
        </Anchor>
        {more}
      </Group>
    </List.Item>
  );
  return (
    <section aria-labelledby="results">
      <Title order={2} size="h4" mb="sm" id="results">
        {t('Results')}
      </Title>
      <Stack>
        {model && model.metrics.accuracy.n > 0 && (
          <SimpleGrid cols={{ base: 1, xs: 3, md: 1, lg: 3 }}>
            <StatCard label={t('Held-out accuracy')} stat={model.metrics.accuracy} />
            <StatCard label={t('“Longer is better”')} stat={model.metrics.baselines.longer} />
            <StatCard label={t('“Always a”')} stat={model.metrics.baselines.always_a} />
          </SimpleGrid>
        )}
        <List listStyleType="none" spacing="sm">
          {drift &&
            link(
              `drift/${drift.id}`,
              t('Drift report {{number}}', { number: drift.number }),
              verdict && (
                <Badge variant="light" color={verdict.colour} c="var(--mantine-color-text)" tt="none">
                  {verdict.label}
                </Badge>
              ),
            )}
          {generation &&
            link(
              `generations/${generation.id}`,
              t('Generation {{number}}', { number: generation.number }),
              <Text size="sm" c="dimmed">
                {t('{{count}} completions written', { count: generation.counts.written ?? 0 })}
              </Text>,
            )}
          {round && link(`sampling-rounds/${round.id}`, t('Sampling round {{number}}: what is asked, and why', { number: round.number }))}
          {set && link(`comparison-sets/${set.id}`, t('Comparison set {{number}}', { number: set.number }))}
          {model &&
            link(
              `reward-models/${model.id}`,
              t('Reward model v{{version}}', { version: model.version }),
              <>
                <StateBadge state={model.state} colour={MODEL_COLOURS[model.state]} />
                <Text size="sm" c="dimmed">
                  {model.state_reason}
                </Text>
              </>,
            )}
        </List>
        {!drift && !generation && !round && !set && !model && <Text c="dimmed">{t('Results appear here as the stages end.')}</Text>}
      </Stack>
    </section>
  );
}
