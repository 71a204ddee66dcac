import { Anchor, Button, Group, SegmentedControl, Select, Text } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import type { ComparisonRow } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { STATE_COLOURS } from './words';

const SHOWN = [
  { value: 'all', label: t('All') },
  { value: 'split', label: t('Split') },
  { value: 'flagged', label: t('Flagged') },
  { value: 'unrated', label: t('Unrated') },
  { value: 'gold', label: t('Gold') },
];
const ORDERINGS = [
  { value: 'newest', label: t('Newest first') },
  { value: 'disagreement', label: t('Most dissent first') },
  { value: 'priority', label: t('As the queue has them') },
];
const EMPTY: Record<string, string> = {
  all: t('Import prompts with completions to have something to compare.'),
  split: t('Nobody disagrees with anybody, so far. It takes two ratings of the same comparison to differ.'),
  flagged: t('Nobody has flagged anything. What labellers flag waits here to be settled.'),
  unrated: t('Every comparison has a rating. Import more completions to have more to compare.'),
  gold: t('No comparison has a known answer.'),
};

/** What the address asks for, the first choice where it asks for something that is not there. */
function chosen(choices: { value: string }[], asked: string | null): string {
  return (choices.find(({ value }) => value === asked) ?? choices[0])?.value ?? '';
}

export function ComparisonsPage() {
  const { slug } = useProject();
  const [query, setQuery] = useSearchParams();
  const mayImport = useMay('import');
  const show = chosen(SHOWN, query.get('show'));
  const ordering = chosen(ORDERINGS, query.get('ordering'));
  const change = (name: string, value: string) =>
    setQuery((before) => {
      before.set(name, value);
      return before;
    }, { replace: true });
  const rows = usePages<ComparisonRow>(['projects', slug, 'comparisons'], `projects/${slug}/comparisons`, { show, ordering });
  return (
    <>
      <PageHeader title={t('Comparisons')} description={t('Open one to read every rating with its reason, and to settle it.')} />
      <Group mb="md" align="flex-end">
        <SegmentedControl aria-label={t('Which comparisons')} data={SHOWN} value={show} onChange={(value) => change('show', value)} />
        <Select
          aria-label={t('In which order')}
          data={ORDERINGS}
          value={ordering}
          allowDeselect={false}
          onChange={(value) => change('ordering', value ?? 'newest')}
        />
      </Group>
      <PagedTable
        label={t('Comparisons')}
        query={rows}
        rowKey={(row) => row.id}
        empty={
          <EmptyState
            title={show === 'all' ? t('No comparisons yet') : t('No such comparisons')}
            action={
              show !== 'all' ? (
                <Button variant="default" onClick={() => change('show', 'all')}>
                  {t('Show all')}
                </Button>
              ) : (
                mayImport && (
                  <Button component={Link} to={`/projects/${slug}/imports`}>
                    {t('Import a file')}
                  </Button>
                )
              )
            }
          >
            {EMPTY[show]}
          </EmptyState>
        }
        columns={[
          {
            title: t('Prompt'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.id}`} lineClamp={1} maw={460}>
                {row.prompt_excerpt}
              </Anchor>
            ),
          },
          {
            title: t('State'),
            cell: (row) => (
              <Group gap={4} wrap="nowrap">
                <StateBadge state={row.state} colour={STATE_COLOURS[row.state]} />
                {row.is_gold && <StateBadge state="gold" colour="yellow" />}
                {row.n_flags > 0 && <StateBadge state="flagged" colour="red" />}
              </Group>
            ),
          },
          {
            title: t('A · B · tie'),
            align: 'right',
            cell: (row) => (
              <Text span style={{ fontVariantNumeric: 'tabular-nums' }}>
                {row.n_a} · {row.n_b} · {row.n_ties}
              </Text>
            ),
          },
          {
            title: t('Dissent'),
            align: 'right',
            cell: (row) => (row.disagreement === null ? '–' : percent(row.disagreement, 0)),
          },
        ]}
      />
    </>
  );
}
