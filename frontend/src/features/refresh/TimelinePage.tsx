import { Button, SegmentedControl, Stack, Text } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { RefreshTimeline } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { TimelineBatches } from './TimelineBatches';
import { TimelineChart } from './TimelineChart';
import { TimelineRows } from './TimelineRows';
import { judged, levelIn, levelsOf, levelText } from './timeline';

const ALL = 'all';
const isActive = ({ refreshes }: RefreshTimeline) => refreshes.some(({ state }) => state === 'running' || state === 'waiting');

/** Whether refreshing works: each refresh's model by batch and intensity, and what it took. */
export function TimelinePage() {
  const { slug } = useProject();
  const timeline = useQuery({
    queryKey: ['projects', slug, 'refreshes', 'timeline'],
    queryFn: () => api.get<RefreshTimeline>(`projects/${slug}/refreshes/timeline`),
    refetchInterval: ({ state }) => state.data && isActive(state.data) && 30_000,
  });
  return (
    <>
      <PageHeader
        title={t('Timeline of refreshes')}
        description={t('Whether refreshing works: how accurate each reward model is on each batch of comparisons, and what the labels took.')}
        actions={
          <Button component={Link} to={`/projects/${slug}/refreshes`} variant="default" leftSection={<IconArrowLeft size={16} />}>
            {t('All refreshes')}
          </Button>
        }
      />
      <Loaded query={timeline} rows={8}>
        {(found) => (found.refreshes.length === 0 ? <NothingYet /> : <Timeline found={found} />)}
      </Loaded>
    </>
  );
}

function NothingYet() {
  const { slug } = useProject();
  return (
    <EmptyState
      title={t('No refresh yet')}
      action={
        <Button component={Link} to={`/projects/${slug}/refreshes`}>
          {t('To the refreshes')}
        </Button>
      }
    >
      {t('The first row comes when a refresh has trained a reward model and judged it on held-out comparisons. Two make a line.')}
    </EmptyState>
  );
}

function Timeline({ found }: { found: RefreshTimeline }) {
  const { intensity_labels } = useProject();
  const [query, setQuery] = useSearchParams();
  const rows = judged(found);
  const levels = levelsOf(rows);
  const chosen = levelIn(query.get('intensity'), levels);
  const choose = (value: string) =>
    setQuery(
      (before) => {
        if (value === ALL) before.delete('intensity');
        else before.set('intensity', value);
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  return (
    <Stack gap="lg">
      {found.n_refreshes > found.refreshes.length && (
        <Text size="sm" c="dimmed">
          {t('The latest {{shown}} of {{all}} refreshes.', { shown: number(found.refreshes.length), all: number(found.n_refreshes) })}
        </Text>
      )}
      {levels.length > 0 && (
        <div style={{ overflowX: 'auto' }}>
          <SegmentedControl
            size="xs"
            aria-label={t('Intensity')}
            value={chosen === null ? ALL : String(chosen)}
            onChange={choose}
            data={[{ value: ALL, label: t('All intensities') }, ...levels.map((level) => ({ value: String(level), label: levelText(level, intensity_labels) }))]}
          />
        </div>
      )}
      <TimelineChart rows={rows} levels={levels} chosen={chosen} />
      <TimelineBatches rows={rows} batches={found.batches} nBatches={found.n_batches} chosen={chosen} />
      <TimelineRows rows={found.refreshes} />
    </Stack>
  );
}
