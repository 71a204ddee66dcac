import { Anchor, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { SamplingRoundDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { useProject } from '@/lib/session';

const RULES: Record<string, string> = {
  disagreement: 'where the heads of the reward model disagree most',
  gap: 'where the rewards of the two are closest',
  random: 'at random',
};

const term = (value: number | string | null | undefined) => (typeof value === 'number' ? value.toFixed(3) : (value ?? '–'));

export function SamplingRoundPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const round = useQuery({
    queryKey: ['projects', slug, 'sampling-rounds', id],
    queryFn: () => api.get<SamplingRoundDetail>(`projects/${slug}/sampling-rounds/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.finished_at ? 3_000 : false),
  });
  return (
    <Loaded query={round}>
      {(found) => (
        <>
          <PageHeader
            title={`Sampling round ${found.number}`}
            description={
              <>
                Chosen by{' '}
                <Anchor component={Link} to={`/projects/${slug}/reward-models/${found.reward_model.id}`}>
                  reward model v{found.reward_model.version}
                </Anchor>{' '}
                {RULES[found.acquisition] ?? found.acquisition}; {Math.round(found.random_share * 100)} % at random, as a control.
              </>
            }
          />
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              <CountCard label="Candidates" value={found.n_candidates} />
              <CountCard label="Asked for" value={found.budget} />
              <CountCard label="Chosen" value={found.n_chosen} />
              <CountCard label="Rated by now" value={found.n_rated} />
            </SimpleGrid>
            <Worth report={found.report} />
            {!found.finished_at ? (
              <EmptyState title="Still choosing">Its refresh shows how far it is; the comparisons appear here when it is done.</EmptyState>
            ) : found.comparisons.length === 0 ? (
              <EmptyState title="Nothing was left to choose">
                Every pair of the pool has ratings in this project. Import more completions.
              </EmptyState>
            ) : (
              <Table.ScrollContainer minWidth={640}>
                <Table aria-label="Chosen comparisons" verticalSpacing="xs" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th ta="right">Rank</Table.Th>
                      <Table.Th>Comparison</Table.Th>
                      <Table.Th>Why</Table.Th>
                      <Table.Th ta="right">Reward gap</Table.Th>
                      <Table.Th ta="right">Disagreement</Table.Th>
                      <Table.Th ta="right">Ratings</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {found.comparisons.map((row) => (
                      <Table.Tr key={row.comparison_id}>
                        <Table.Td ta="right">{row.rank + 1}</Table.Td>
                        <Table.Td maw={360}>
                          <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.comparison_id}`} lineClamp={1}>
                            {row.prompt_excerpt}
                          </Anchor>
                        </Table.Td>
                        <Table.Td>
                          <StateBadge state={row.is_random ? 'random' : found.acquisition} colour={row.is_random ? 'gray' : 'blue'} />
                        </Table.Td>
                        <Table.Td ta="right">{term(row.terms.gap)}</Table.Td>
                        <Table.Td ta="right">{term(row.terms.disagreement)}</Table.Td>
                        <Table.Td ta="right">{number(row.n_ratings)}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            )}
            {found.n_chosen > found.comparisons.length && <Text c="dimmed">The first {found.comparisons.length} are shown.</Text>}
          </Stack>
        </>
      )}
    </Loaded>
  );
}

/** What choosing gained: the chosen ones beside all candidates. */
function Worth({ report }: { report: Record<string, unknown> }) {
  const lines = [
    { name: 'Disagreement of the heads', chosen: report.mean_disagreement_chosen, all: report.mean_disagreement },
    { name: 'Distance of the rewards', chosen: report.mean_abs_gap_chosen, all: report.mean_abs_gap },
  ].flatMap(({ name, chosen, all }) =>
    typeof chosen === 'number' && typeof all === 'number'
      ? [`${name}: ${chosen.toFixed(3)} on average in those chosen by the rule, ${all.toFixed(3)} in all candidates.`]
      : [],
  );
  if (lines.length === 0) return null;
  return (
    <Text size="sm" c="dimmed">
      {lines.join(' ')}
    </Text>
  );
}
