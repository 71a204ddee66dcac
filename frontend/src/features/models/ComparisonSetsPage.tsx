import { Anchor, Button } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { ComparisonSet } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

export function ComparisonSetsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const sets = usePages<ComparisonSet>(['projects', slug, 'comparison-sets'], `projects/${slug}/comparison-sets`);
  return (
    <>
      <PageHeader
        title={t('Comparison sets')}
        description={t('Ratings, filtered and frozen as Parquet files: what reward models are trained on.')}
        actions={
          mayTrain && (
            <Button component={Link} to={`/projects/${slug}/comparison-sets/new`}>
              {t('New comparison set')}
            </Button>
          )
        }
      />
      <PagedTable
        label={t('Comparison sets')}
        query={sets}
        rowKey={(set) => set.id}
        empty={
          <EmptyState title={t('No comparison set yet')}>
            {mayTrain
              ? t('Choose which ratings go into the first one. A refresh makes one too, as its first stage.')
              : t('Researchers make them from the ratings; a refresh does so too.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Set'),
            cell: (set) => (
              <Anchor component={Link} to={`/projects/${slug}/comparison-sets/${set.id}`}>
                {set.number}
                {set.name && ` · ${set.name}`}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (set) => (set.frozen_at ? <StateBadge state="frozen" colour="teal" /> : <StateBadge state={set.job?.state ?? 'writing'} />) },
          { title: t('Comparisons'), align: 'right', cell: (set) => number(set.counts.comparisons) },
          { title: t('Train'), align: 'right', cell: (set) => number(set.counts.train) },
          { title: t('Held out'), align: 'right', cell: (set) => number(set.counts.test) },
          { title: t('Made'), cell: (set) => <TimeAgo at={set.created_at} /> },
        ]}
      />
    </>
  );
}
