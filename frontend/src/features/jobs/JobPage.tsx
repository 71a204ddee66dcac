import { Card, Stack, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { JobActions } from '@/components/JobActions';
import { JobLog } from '@/components/JobLog';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Job } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useMay } from '@/lib/session';

export function JobPage() {
  const { id = '' } = useParams();
  const mayAct = useMay('import');
  const key = ['jobs', id];
  const job = useQuery({
    queryKey: key,
    queryFn: () => api.get<Job>(`jobs/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.finished_at ? 1_500 : false),
  });
  return (
    <Loaded query={job}>
      {(found) => (
        <>
          <PageHeader
            title={found.title}
            description={
              <>
                <Filled
                  text={found.finished_at ? t('Asked for {{when}}, ended {{end}}') : t('Asked for {{when}}')}
                  when={<TimeAgo at={found.created_at} />}
                  end={<TimeAgo at={found.finished_at} />}
                />
                {found.attempt > 1 && `, ${t('attempt {{number}}', { number: found.attempt })}`}
              </>
            }
            actions={mayAct && <JobActions job={found} reload={key} />}
          />
          <Stack gap="lg">
            <Card withBorder radius="md">
              <JobProgress job={found} />
            </Card>
            <section>
              <Title order={2} size="h4" mb="xs">
                {t('Log')}
              </Title>
              <JobLog jobId={id} isLive={!found.finished_at} />
            </section>
          </Stack>
        </>
      )}
    </Loaded>
  );
}
