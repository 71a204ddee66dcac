import { Anchor, Button, Progress, Text } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { Job } from '@/lib/api/types';
import { duration } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

export function JobsPage() {
  const { slug } = useProject();
  const mayImport = useMay('import');
  const jobs = usePages<Job>(['projects', slug, 'jobs'], `projects/${slug}/jobs`, {}, 3_000);
  return (
    <>
      <PageHeader title={t('Jobs')} description={t('Work that takes longer than a page: imports, exports, training, refreshes.')} />
      <PagedTable
        label={t('Jobs')}
        query={jobs}
        rowKey={(job) => job.id}
        empty={
          <EmptyState
            title={t('No jobs yet')}
            action={
              mayImport && (
                <Button component={Link} to={`/projects/${slug}/imports`}>
                  {t('Import a file')}
                </Button>
              )
            }
          >
            {t('An import or a refresh makes the first one.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Job'),
            cell: (job) => (
              <Anchor component={Link} to={`/projects/${slug}/jobs/${job.id}`}>
                {job.title}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (job) => <StateBadge state={job.is_cancelling ? 'cancelling' : job.state} /> },
          {
            title: t('Progress'),
            cell: (job) =>
              job.state === 'running' ? (
                <>
                  <Progress
                    value={(job.progress.fraction ?? 1) * 100}
                    animated
                    w={140}
                    aria-label={t('Progress of {{job}}', { job: job.title })}
                  />
                  <Text size="xs" c="dimmed" truncate maw={260}>
                    {job.progress.message}
                  </Text>
                </>
              ) : (
                <Text size="sm" c={job.error ? 'red' : 'dimmed'} lineClamp={1} maw={260}>
                  {job.error?.message ?? ''}
                </Text>
              ),
          },
          { title: t('Took'), align: 'right', cell: (job) => duration(job.started_at, job.finished_at) },
          { title: t('Made'), cell: (job) => <TimeAgo at={job.created_at} /> },
        ]}
      />
    </>
  );
}
