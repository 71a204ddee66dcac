import { Alert, Anchor, Card, SimpleGrid, Stack, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { JobActions } from '@/components/JobActions';
import { JobLog } from '@/components/JobLog';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { JudgeRun } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { judgeName, versionName } from '@/lib/judges';
import { useMay, useProject } from '@/lib/session';
import { SCOPES } from './words';

/** One run of a judge: how far it is and what came of it. */
export function JudgeRunPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const key = ['projects', slug, 'judge-runs', id];
  const run = useQuery({
    queryKey: key,
    queryFn: () => api.get<JudgeRun>(`projects/${slug}/judge-runs/${id}`),
    refetchInterval: ({ state: { data } }) => (data?.job && !data.job.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={run}>
      {(found) => (
        <>
          <PageHeader
            title={t('Judge run {{number}}', { number: found.number })}
            description={
              <>
                <Anchor component={Link} to={`/projects/${slug}/judges/${found.judge.id}`} style={{ overflowWrap: 'anywhere' }}>
                  {judgeName(found.judge)}
                </Anchor>
                {` · ${versionName(found.judge)} · ${SCOPES.find(({ value }) => value === found.scope)?.label}`}
              </>
            }
            actions={mayTrain && found.job && <JobActions job={found.job} reload={key} />}
          />
          <Stack gap="xl">
            {found.job && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
              </Card>
            )}
            {found.counts.stopped_by === 'budget' && (
              <Alert color="yellow">{t('It stopped at its budget. Start another run: what is judged is not asked again.')}</Alert>
            )}
            {found.finished_at && (
              <>
                <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
                  <CountCard label={t('Asked')} value={found.counts.n_asked ?? 0} />
                  <CountCard label={t('Judged')} value={found.counts.n_judged ?? 0} />
                  <CountCard label={t('Not answered')} value={found.counts.n_unanswered ?? 0} />
                  <CountCard label={t('Tokens, about')} value={found.counts.n_tokens ?? 0} />
                </SimpleGrid>
                <Anchor component={Link} to={`/projects/${slug}/judges/${found.judge.id}`}>
                  {t('How this judge compares with people')}
                </Anchor>
              </>
            )}
            {found.job && (
              <section>
                <Title order={2} size="h4" mb="xs">
                  {t('Log')}
                </Title>
                <JobLog jobId={found.job.id} isLive={!found.job.finished_at} />
              </section>
            )}
          </Stack>
        </>
      )}
    </Loaded>
  );
}
