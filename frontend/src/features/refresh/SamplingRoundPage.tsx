import { Anchor, SimpleGrid, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { SamplingRoundDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

const RULES: Record<string, string> = {
  disagreement: t('where the heads of the reward model disagree most'),
  gap: t('where the rewards of the two are closest'),
  random: t('at random'),
};

const term = (value: number | string | null | undefined) => (typeof value === 'number' ? number(value, 3) : (value ?? '–'));

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
            title={t('Sampling round {{number}}', { number: found.number })}
            description={
              <Filled
                text={t('Chosen by {{model}} {{rule}}; {{share}} % at random, as a control.', {
                  rule: RULES[found.acquisition] ?? found.acquisition,
                  share: Math.round(found.random_share * 100),
                })}
                model={
                  <Anchor component={Link} to={`/projects/${slug}/reward-models/${found.reward_model.id}`}>
                    {t('reward model v{{version}}', { version: found.reward_model.version })}
                  </Anchor>
                }
              />
            }
          />
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              <CountCard label={t('Candidates')} value={found.n_candidates} />
              <CountCard label={t('Asked for')} value={found.budget} />
              <CountCard label={t('Chosen')} value={found.n_chosen} />
              <CountCard label={t('Rated by now')} value={found.n_rated} />
            </SimpleGrid>
            <Worth report={found.report} />
            {!found.finished_at ? (
              <EmptyState title={t('Still choosing')}>{t('Its refresh shows how far it is; the comparisons appear here when it is done.')}</EmptyState>
            ) : found.comparisons.length === 0 ? (
              <EmptyState title={t('Nothing was left to choose')}>
                {t('Every pair of the pool has ratings in this project. Import more completions.')}
              </EmptyState>
            ) : (
              <Table.ScrollContainer minWidth={640}>
                <Table aria-label={t('Chosen comparisons')} verticalSpacing="xs" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th ta="right">{t('Rank')}</Table.Th>
                      <Table.Th>{t('Comparison')}</Table.Th>
                      <Table.Th>{t('Why')}</Table.Th>
                      <Table.Th ta="right">{t('Reward gap')}</Table.Th>
                      <Table.Th ta="right">{t('Disagreement')}</Table.Th>
                      <Table.Th ta="right">{t('Ratings')}</Table.Th>
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
            {found.n_chosen > found.comparisons.length && <Text c="dimmed">{t('The first {{number}} are shown.', { number: number(found.comparisons.length) })}</Text>}
          </Stack>
        </>
      )}
    </Loaded>
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
  if (lines.length === 0) return null;
  return (
    <Text size="sm" c="dimmed">
      {lines.join(' ')}
    </Text>
  );
}
