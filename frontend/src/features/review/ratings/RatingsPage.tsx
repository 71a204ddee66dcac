import { Anchor, Button, Group, Pill, Select, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { StateBadge } from '@/components/JobProgress';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Agreement, LabellerDetail, RatingRow } from '@/lib/api/types';
import { seconds } from '@/lib/format';
import { t } from '@/lib/i18n';
import type { RatingFilter } from '@/lib/links';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { intensityLabel, verdict } from '../words';
import { filtersOf, filterWords, LEVELS, withFilter } from './filters';

/** The ratings behind a number of another page. */
export function RatingsPage() {
  const project = useProject();
  const { slug, intensity_labels } = project;
  const [query, setQuery] = useSearchParams();
  const filters = filtersOf(query);
  const names = useNames(slug, filters);
  const rows = usePages<RatingRow>(['projects', slug, 'ratings'], `projects/${slug}/ratings`, filters);
  const change = (name: RatingFilter, value: string) => setQuery((before) => withFilter(before, name, value), { replace: true });
  const set = Object.entries(filters) as [RatingFilter, string][];
  return (
    <>
      <PageHeader
        title={t('Ratings')}
        description={
          <>
            {t('Newest first, corrected ones and repeats among them. Open a prompt to see all ratings of its comparison.')}{' '}
            <Anchor component={Link} to={`/projects/${slug}/agreement`} underline="always">
              {t('To the agreement')}
            </Anchor>
          </>
        }
        actions={<CsvButton slug={slug} name="ratings" title={t('Ratings')} query={filters} />}
      />
      <Group mb="sm" align="flex-end" gap="sm">
        <Select
          label={t('Agreement')}
          w={170}
          value={filters.agreement ?? ''}
          allowDeselect={false}
          data={[{ value: '', label: t('any') }, ...Object.entries(LEVELS).map(([value, label]) => ({ value, label }))]}
          onChange={(value) => change('agreement', value ?? '')}
        />
        <Select
          label={t('Intensity')}
          w={220}
          value={filters.intensity ?? ''}
          allowDeselect={false}
          data={[
            { value: '', label: t('any') },
            { value: '0', label: t('Tie') },
            ...intensity_labels.map((_, at) => ({ value: String(at + 1), label: intensityLabel(intensity_labels, at + 1) })),
          ]}
          onChange={(value) => change('intensity', value ?? '')}
        />
        <TextInput type="date" label={t('First day')} value={filters.from ?? ''} max={filters.to} onChange={(event) => change('from', event.currentTarget.value)} />
        <TextInput type="date" label={t('Last day')} value={filters.to ?? ''} min={filters.from} onChange={(event) => change('to', event.currentTarget.value)} />
      </Group>
      {set.length > 0 && (
        <Group mb="md" gap="xs" role="group" aria-label={t('Narrowed to')}>
          {set.map(([name, value]) => {
            const words = filterWords(name, value, { project, ...names });
            return (
              <Pill
                key={name}
                size="md"
                withRemoveButton
                onRemove={() => change(name, '')}
                removeButtonProps={{ 'aria-label': t('Remove: {{filter}}', { filter: words }), 'aria-hidden': undefined, tabIndex: 0 }}
              >
                {words}
              </Pill>
            );
          })}
          <Button variant="subtle" size="compact-sm" onClick={() => setQuery({}, { replace: true })}>
            {t('Show all')}
          </Button>
        </Group>
      )}
      <PagedTable
        label={t('Ratings')}
        query={rows}
        rowKey={(row) => row.id}
        empty={
          <EmptyState
            title={set.length > 0 ? t('No such ratings') : t('No ratings yet')}
            action={
              set.length > 0 && (
                <Button variant="default" onClick={() => setQuery({}, { replace: true })}>
                  {t('Show all')}
                </Button>
              )
            }
          />
        }
        columns={[
          {
            title: t('Prompt'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.comparison}`} lineClamp={1} maw={320}>
                {row.prompt_excerpt || t('Comparison {{id}}', { id: row.comparison })}
              </Anchor>
            ),
          },
          {
            title: t('Labeller'),
            cell: ({ labeller }) => (
              <Anchor component={Link} to={`/projects/${slug}/labellers/${labeller.id}`} ff="monospace" style={{ whiteSpace: 'nowrap' }}>
                {labeller.pseudonym}
              </Anchor>
            ),
          },
          {
            title: t('Rating'),
            cell: (row) => (
              <>
                <Text size="sm">{verdict(intensity_labels, row.preferred, row.intensity)}</Text>
                <Group gap={4}>
                  {row.is_superseded && <StateBadge state="corrected" colour="gray" />}
                  {row.is_repeat && <StateBadge state="repeat" colour="blue" />}
                </Group>
              </>
            ),
          },
          { title: t('Agreement'), cell: ({ agreement }) => (agreement ? LEVELS[agreement] : '–') },
          {
            title: t('Reason'),
            cell: ({ justification }) => (
              <Text size="sm" lineClamp={2} maw={280} dir="auto">
                {justification || '–'}
              </Text>
            ),
          },
          { title: t('Time'), align: 'right', cell: ({ active_ms }) => (active_ms === null ? '–' : seconds(active_ms)) },
          { title: t('Version'), align: 'right', cell: ({ guideline_version }) => guideline_version ?? '–' },
          { title: t('When'), cell: ({ created_at }) => <TimeAgo at={created_at} /> },
        ]}
      />
    </>
  );
}

/** What the ids in the filters are called: asked for only where there are such filters. */
function useNames(slug: string, filters: Record<string, string>) {
  const agreement = useQuery({
    queryKey: ['projects', slug, 'agreement'],
    queryFn: () => api.get<Agreement>(`projects/${slug}/agreement`),
    enabled: 'source' in filters,
  });
  const one = useLabeller(slug, filters.labeller);
  const other = useLabeller(slug, filters.with);
  return {
    slices: new Map(agreement.data?.slices.map(({ dimension, key, label }) => [`${dimension}:${key}`, label])),
    labellers: new Map([one, other].flatMap((found) => (found ? [[String(found.id), found.pseudonym] as const] : []))),
  };
}

function useLabeller(slug: string, id: string | undefined): LabellerDetail | undefined {
  return useQuery({
    queryKey: ['projects', slug, 'labellers', id],
    queryFn: () => api.get<LabellerDetail>(`projects/${slug}/labellers/${id ?? ''}`),
    enabled: id !== undefined,
  }).data;
}
