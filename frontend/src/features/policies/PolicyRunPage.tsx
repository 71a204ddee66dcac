import { Alert, Anchor, Button, Card, Group, Stack, Text } from '@mantine/core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { askFirst } from '@/components/confirm';
import { Filled } from '@/components/Filled';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { StartedWith } from '@/components/StartedWith';
import { EmptyState, ErrorState, Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { PolicyEvaluation, PolicyRunDetail, PolicySteps } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { Adversarial } from './Adversarial';
import { bestOf } from './curve';
import { Evaluations } from './Evaluations';
import { Exploits } from './Exploits';
import { GainChart, WinRateChart } from './GainCharts';
import { People } from './People';
import { Samples } from './Samples';
import { StepCharts } from './StepCharts';
import { isActive, optionRows, stopWords } from './words';

/** A policy run as it goes: its training, what it gains by whose judgement, and what it writes. */
export function PolicyRunPage() {
  const { slug } = useProject();
  const { number: n = '' } = useParams();
  const run = useQuery({
    queryKey: ['projects', slug, 'policy-runs', n],
    queryFn: () => api.get<PolicyRunDetail>(`projects/${slug}/policy-runs/${n}`),
    // People's answers come after the run too.
    refetchInterval: ({ state: { data } }) => (data && isActive(data) ? 2_000 : data?.can.keep ? 30_000 : false),
  });
  return <Loaded query={run}>{(found) => <Run run={found} />}</Loaded>;
}

function Run({ run }: { run: PolicyRunDetail }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const isLive = isActive(run);
  const path = `projects/${slug}/policy-runs/${run.number}`;
  // The state is in the keys so that what came last is fetched once more when the run is over.
  const steps = useQuery({
    queryKey: ['projects', slug, 'policy-runs', String(run.number), 'steps', run.state],
    queryFn: () => api.get<PolicySteps>(`${path}/steps`),
    placeholderData: keepPreviousData,
    refetchInterval: isLive && 4_000,
  });
  const evaluations = useQuery({
    queryKey: ['projects', slug, 'policy-runs', String(run.number), 'evaluations', run.state],
    queryFn: async () => (await api.get<{ results: PolicyEvaluation[] }>(`${path}/evaluations`)).results,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state: { data } }) => (isLive ? 4_000 : data?.some(isAwaited) ? 30_000 : false),
  });
  const why = stopWords(run);
  return (
    <>
      <PageHeader
        title={t('Policy run {{number}}', { number: run.number })}
        description={
          <Group gap="xs">
            <StateBadge state={run.job?.is_cancelling ? 'cancelling' : run.state} />
            <Text span c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              <Filled
                text={run.combined_model ? t('{{start}} on {{model}} combined with {{other}}, {{when}}') : t('{{start}} on {{model}}, {{when}}')}
                other={run.combined_model && `${run.combined_model.project}, ${run.combined_model.label}`}
                start={run.start_label}
                model={
                  <Anchor underline="always" component={Link} to={`/projects/${slug}/reward-models/${run.reward_model.id}`}>
                    {run.reward_model.label}
                  </Anchor>
                }
                when={<TimeAgo at={run.created_at} />}
              />
            </Text>
          </Group>
        }
        actions={mayTrain && <RunActions run={run} />}
      />
      <Stack gap="xl">
        {run.job && run.state !== 'succeeded' && (
          <Card withBorder radius="md">
            <JobProgress job={run.job} />
            <Anchor component={Link} to={`/projects/${slug}/jobs/${run.job.id}`} size="sm" mt="xs">
              {t('Its job and log')}
            </Anchor>
          </Card>
        )}
        {why && <Ending run={run} why={why} evaluations={evaluations.data ?? []} />}
        {evaluations.error && !evaluations.data && <ErrorState error={evaluations.error} retry={() => void evaluations.refetch()} />}
        {evaluations.data && <Judged run={run} evaluations={evaluations.data} mayTrain={mayTrain} />}
        {steps.error && !steps.data && <ErrorState error={steps.error} retry={() => void steps.refetch()} />}
        {steps.data && <StepCharts run={run} steps={steps.data} evaluations={evaluations.data ?? []} />}
        {evaluations.data && evaluations.data.length > 0 && <Written run={run} evaluations={evaluations.data} mayTrain={mayTrain} />}
        <StartedWith rows={optionRows(run)} />
      </Stack>
    </>
  );
}

/** Whether people have yet to answer what they were asked. */
const isAwaited = ({ win_rate }: PolicyEvaluation) => !!win_rate && win_rate.n_asked > win_rate.n;

function Judged({ run, evaluations, mayTrain }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[]; mayTrain: boolean }) {
  if (evaluations.length === 0) {
    return (
      <EmptyState title={t('Not evaluated yet')}>
        {isActive(run)
          ? t('First the reference is measured, on prompts that are not trained on. Then every {{n}} updates the policy beside it.', {
              n: number(run.options.evaluate_every),
            })
          : t('It ended before its first evaluation.')}
      </EmptyState>
    );
  }
  return (
    <>
      <GainChart run={run} evaluations={evaluations} />
      <WinRateChart run={run} evaluations={evaluations} />
      <People run={run} evaluations={evaluations} mayTrain={mayTrain} />
    </>
  );
}

/** How and what the policy writes, and what is to be learnt from that. */
function Written({ run, evaluations, mayTrain }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[]; mayTrain: boolean }) {
  return (
    <>
      <Evaluations run={run} evaluations={evaluations} mayTrain={mayTrain} />
      <Exploits evaluations={evaluations} />
      <Samples run={run} evaluations={evaluations} />
      {mayTrain && <Adversarial run={run} />}
    </>
  );
}

function Ending({ run, why, evaluations }: { run: PolicyRunDetail; why: string; evaluations: PolicyEvaluation[] }) {
  const { slug } = useProject();
  const best = bestOf(run, evaluations)?.evaluation;
  return (
    <Alert color={run.stop_reason ? 'orange' : 'teal'} title={why} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
      <Stack gap={4} style={{ overflowWrap: 'anywhere' }}>
        {run.stop_message && <Text size="sm">{run.stop_message}</Text>}
        {best?.step === 0 && <Text size="sm">{t('Nothing is kept of it: the model it started from was the best.')}</Text>}
        {best && best.step > 0 && (
          <Text size="sm">
            {t('Kept: the policy after {{count}} updates, at a KL of {{kl}} nats.', { count: best.step, kl: number(best.metrics.kl, 1) })}
          </Text>
        )}
        {run.checkpoint && (
          <Text size="sm">
            <Filled
              text={t('It is the checkpoint {{name}}; {{generate}} let it write completions.')}
              name={<strong>{run.checkpoint.name}</strong>}
              generate={
                <Anchor component={Link} to={`/projects/${slug}/generations`} inherit c="inherit" underline="always">
                  {t('generations')}
                </Anchor>
              }
            />
          </Text>
        )}
      </Stack>
    </Alert>
  );
}

function RunActions({ run }: { run: PolicyRunDetail }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (verb: 'cancel' | 'retry') => api.post<PolicyRunDetail>(`projects/${slug}/policy-runs/${run.number}/${verb}`),
    onSuccess: async (_, verb) => {
      tell(verb === 'cancel' ? t('It stops at its next safe point.') : t('It goes on from where it stopped.'));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs'] });
    },
    onError: complain,
  });
  return (
    <>
      {run.can.cancel && !run.job?.is_cancelling && (
        <Button
          variant="default"
          loading={act.isPending}
          onClick={() =>
            askFirst({
              title: t('Cancel this run?'),
              text: t('It writes a checkpoint and stops. What was evaluated is kept; a retry goes on from there.'),
              confirm: t('Cancel the run'),
              onConfirm: () => act.mutate('cancel'),
            })
          }
        >
          {t('Cancel')}
        </Button>
      )}
      {run.can.retry && (
        <Button loading={act.isPending} onClick={() => act.mutate('retry')}>
          {t('Retry')}
        </Button>
      )}
    </>
  );
}
