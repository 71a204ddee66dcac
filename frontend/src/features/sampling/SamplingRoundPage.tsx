import { Anchor, Badge, Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { askFirst } from '@/components/confirm';
import { Filled } from '@/components/Filled';
import { JobActions } from '@/components/JobActions';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { SampledComparison, SamplingRoundDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { rulesOf, whyOf } from '@/lib/sampling/rules';
import { useMay, useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import { Coverage } from './Coverage';
import { Outcome } from './Outcome';
import { stateOf } from './state';

/** What a round chose and why, what it does for the pool, and what it brought. */
export function SamplingRoundPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const key = ['projects', slug, 'sampling-rounds', id];
  const round = useQuery({
    queryKey: key,
    queryFn: () => api.get<SamplingRoundDetail>(`projects/${slug}/sampling-rounds/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.finished_at ? 1_500 : 15_000),
  });
  return <Loaded query={round}>{(found) => <Round round={found} reload={key} />}</Loaded>;
}

function Round({ round, reload }: { round: SamplingRoundDetail; reload: readonly unknown[] }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  return (
    <>
      <PageHeader
        title={t('Sampling round {{number}}', { number: round.number })}
        description={
          <Filled
            text={t('Chosen by {{model}}, started {{when}}.')}
            model={
              <Anchor component={Link} to={`/projects/${slug}/reward-models/${round.reward_model.id}`} underline="always">
                {t('reward model v{{version}}', { version: round.reward_model.version })}
              </Anchor>
            }
            when={<TimeAgo at={round.created_at} />}
          />
        }
        actions={mayTrain && (round.finished_at ? <Withdraw round={round} reload={reload} /> : round.job && <JobActions job={round.job} reload={reload} />)}
      />
      <Stack gap="xl">
        <Stack gap="xs">
          <Group gap="xs">
            <StateBadge {...stateOf(round)} />
            <Text size="sm">{rulesOf(round.options).join(' ')}</Text>
          </Group>
          <Origin round={round} />
        </Stack>
        {!round.finished_at && round.job && (
          <div>
            <JobProgress job={round.job} />
            <Anchor component={Link} to={`/projects/${slug}/jobs/${round.job.id}`} size="sm">
              {t('Log of the job')}
            </Anchor>
          </div>
        )}
        {round.finished_at && (
          <>
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              <CountCard label={t('Candidates')} value={round.n_candidates} />
              <CountCard label={t('Asked for')} value={round.budget} />
              <CountCard label={t('Chosen')} value={round.n_chosen} />
              <CountCard label={t('Rated by now')} value={round.n_rated} />
            </SimpleGrid>
            {round.n_chosen === 0 ? (
              <EmptyState title={t('Nothing was left to choose')}>
                {t('Every pair of the pool has ratings in this project. Import more completions.')}
              </EmptyState>
            ) : (
              <>
                <Outcome round={round} />
                {round.report.coverage && round.report.coverage.length > 0 && (
                  <Coverage rows={round.report.coverage} rest={round.report.coverage_rest} examples={round.examples} />
                )}
                <Chosen round={round} />
              </>
            )}
          </>
        )}
      </Stack>
    </>
  );
}

/** Where the completions came from. */
function Origin({ round }: { round: SamplingRoundDetail }) {
  const kinds = Object.entries(round.mix).sort(([, one], [, other]) => other - one);
  return (
    <Text size="sm" c="dimmed">
      {[
        round.generation
          ? t('Candidates: pairs with a completion of generation {{number}}.', { number: round.generation.number })
          : t('Candidates: all pairs of the pool without ratings.'),
        kinds.length > 0 && t('Their completions: {{kinds}}.', { kinds: kinds.map(([kind, n]) => `${number(n)} ${inWords(kind)}`).join(', ') }),
      ]
        .filter(Boolean)
        .join(' ')}
    </Text>
  );
}

function Withdraw({ round, reload }: { round: SamplingRoundDetail; reload: readonly unknown[] }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const path = `projects/${slug}/sampling-rounds/${round.id}/withdrawal`;
  const done = async (text: string) => {
    tell(text);
    await queries.invalidateQueries({ queryKey: reload });
  };
  const withdraw = useMutation({
    mutationFn: () => api.post<SamplingRoundDetail>(path),
    onSuccess: ({ n_withdrawn }) => done(t('{{count}} comparisons have left the top of the queue.', { count: n_withdrawn })),
    onError: complain,
  });
  const restore = useMutation({
    mutationFn: () => api.delete(path),
    onSuccess: () => done(t('They stand on top of the queue again.')),
    onError: complain,
  });
  if (round.withdrawn_at) {
    return (
      <Button variant="default" loading={restore.isPending} onClick={() => restore.mutate()}>
        {t('Put back on top')}
      </Button>
    );
  }
  if (round.n_chosen === 0 || round.n_rated === round.n_chosen) return null;
  return (
    <Button
      variant="default"
      loading={withdraw.isPending}
      onClick={() =>
        askFirst({
          title: t('Withdraw this round?'),
          text: t('What nobody has rated or is looking at now leaves the top of the queue. Ratings stay, and it can be put back.'),
          confirm: t('Withdraw it'),
          onConfirm: () => withdraw.mutate(),
        })
      }
    >
      {t('Withdraw')}
    </Button>
  );
}

function Chosen({ round }: { round: SamplingRoundDetail }) {
  const { slug } = useProject();
  const chosen = usePages<SampledComparison>(
    ['projects', slug, 'sampling-rounds', String(round.id), 'comparisons'],
    `projects/${slug}/sampling-rounds/${round.id}/comparisons`,
  );
  return (
    <section aria-labelledby="chosen">
      <Title order={2} size="h4" mb="xs" id="chosen">
        {t('What was chosen, and why')}
      </Title>
      <Worth report={round.report} />
      <PagedTable
        label={t('Chosen comparisons')}
        query={chosen}
        minWidth={680}
        rowKey={(row) => row.comparison_id}
        empty={null}
        columns={[
          { title: t('Rank'), align: 'right', cell: (row) => row.rank + 1 },
          {
            title: t('Comparison'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.comparison_id}`} lineClamp={1} maw={320}>
                {row.prompt_excerpt}
              </Anchor>
            ),
          },
          {
            title: t('Why'),
            cell: (row) => (
              <Group gap={6} wrap="nowrap" align="baseline">
                {row.is_random && (
                  <Badge variant="light" color="gray" c="var(--mantine-color-text)" tt="none" miw="max-content">
                    {t('random')}
                  </Badge>
                )}
                <Text size="sm" c={row.is_random ? 'dimmed' : undefined}>
                  {whyOf(row)}
                </Text>
              </Group>
            ),
          },
          { title: t('Ratings'), align: 'right', cell: (row) => (row.is_withdrawn ? t('withdrawn') : number(row.n_ratings)) },
        ]}
      />
    </section>
  );
}

/** What choosing gained: the chosen ones beside all candidates. */
function Worth({ report }: { report: Record<string, unknown> }) {
  const lines = [
    { name: t('Disagreement of the heads'), chosen: report.mean_disagreement_chosen, all: report.mean_disagreement },
    { name: t('Distance of the rewards'), chosen: report.mean_abs_gap_chosen, all: report.mean_abs_gap },
  ].flatMap(({ name, chosen, all }) =>
    typeof chosen === 'number' && typeof all === 'number'
      ? [
          t('{{name}}: {{chosen}} on average in those chosen by the rule, {{all}} in all candidates.', {
            name,
            chosen: number(chosen, 3),
            all: number(all, 3),
          }),
        ]
      : [],
  );
  return (
    <Text size="sm" c="dimmed" mb="xs">
      {lines.join(' ')}{' '}
      {report.has_posterior === false && t('The model came without a record of its uncertainty, so disagreement shows only how unlike the texts are.')}
    </Text>
  );
}
