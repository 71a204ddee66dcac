import { Anchor, Button, Progress, Text } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { Job } from '@/lib/api/types';
import { duration } from '@/lib/format';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

export function JobsPage() {
  const { slug } = useProject();
  const mayImport = useMay('import');
  const jobs = usePages<Job>(['projects', slug, 'jobs'], `projects/${slug}/jobs`, {}, 3_000);
  return (
    <>
      <PageHeader title="Jobs" description="Work that takes longer than a page: imports, exports, training, refreshes." />
      <PagedTable
        label="Jobs"
        query={jobs}
        rowKey={(job) => job.id}
        empty={
          <EmptyState
            title="No jobs yet"
            action={
              mayImport && (
                <Button component={Link} to={`/projects/${slug}/imports`}>
                  Import a file
                </Button>
              )
            }
          >
            An import or a refresh makes the first one.
          </EmptyState>
        }
        columns={[
          {
            title: 'Job',
            cell: (job) => (
              <Anchor component={Link} to={`/projects/${slug}/jobs/${job.id}`}>
                {job.title}
              </Anchor>
            ),
          },
          { title: 'State', cell: (job) => <StateBadge state={job.is_cancelling ? 'cancelling' : job.state} /> },
          {
            title: 'Progress',
            cell: (job) =>
              job.state === 'running' ? (
                <>
                  <Progress
                    value={(job.progress.fraction ?? 1) * 100}
                    animated
                    w={140}
                    aria-label={`Progress of ${job.title}`}
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
          { title: 'Took', align: 'right', cell: (job) => duration(job.started_at, job.finished_at) },
          { title: 'Made', cell: (job) => <TimeAgo at={job.created_at} /> },
        ]}
      />
    </>
  );
}
