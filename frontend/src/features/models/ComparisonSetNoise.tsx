import { Alert, Anchor, Button, Card, Group, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { JobProgress } from '@/components/JobProgress';
import { complain } from '@/components/notify';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonSet, Job, SetNoise } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { stepOf, useBeginWalk } from '../review/walk';

const SHOWN = 20;
// The queue of reviewers that these comparisons go to.
const REASON = 'probably_mislabelled';

const isUnderWay = ({ state }: SetNoise) => state === 'queued' || state === 'running';

/** Which labels models contradict that did not learn from them. */
export function ComparisonSetNoise({ set }: { set: ComparisonSet }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const queries = useQueryClient();
  const path = `projects/${slug}/comparison-sets/${set.id}/noise`;
  const queryKey = ['projects', slug, 'comparison-sets', String(set.id), 'noise'];
  const noise = useQuery({
    queryKey,
    queryFn: () => api.get<SetNoise>(path),
    refetchInterval: ({ state: { data } }) => (data && isUnderWay(data) ? 2_000 : false),
  });
  const start = useMutation({
    mutationFn: () => api.post<Job>(path),
    onSuccess: () => queries.invalidateQueries({ queryKey }),
    onError: complain,
  });
  return (
    <section aria-labelledby="mislabelled">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4" id="mislabelled">
          {t('Mislabelled comparisons')}
        </Title>
        {mayTrain && noise.data && !isUnderWay(noise.data) && (
          <Button variant="default" loading={start.isPending} onClick={() => start.mutate()}>
            {noise.data.finished_at ? t('Find them anew') : t('Find mislabelled comparisons')}
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Five models, each trained on four fifths of the prompts, judge the fifth that they have not seen. What they contradict most goes to the reviewers.')}
      </Text>
      <Loaded query={noise} rows={1}>
        {(found) => (
          <>
            {found.job && !(found.state === 'succeeded') && (
              <Card withBorder radius="md" mb="md">
                <JobProgress job={found.job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${found.job.id}`} size="sm" mt="xs">
                  {t('Its job and log')}
                </Anchor>
              </Card>
            )}
            {found.finished_at && <Found noise={found} at={found.finished_at} />}
          </>
        )}
      </Loaded>
    </section>
  );
}

const numberAt = (summary: SetNoise['summary'], name: string) => (typeof summary?.[name] === 'number' ? summary[name] : null);

function Found({ noise, at }: { noise: SetNoise; at: string }) {
  const { slug } = useProject();
  const beginWalk = useBeginWalk(REASON);
  const contradicted = numberAt(noise.summary, 'share_contradicted');
  const nJudged = numberAt(noise.summary, 'n_judged');
  const nSuspicious = numberAt(noise.summary, 'n_suspicious') ?? noise.suspicious.length;
  const rows = noise.suspicious.slice(0, SHOWN);
  const begin = () => beginWalk(noise.suspicious.map(({ comparison_id }) => comparison_id));
  return (
    <>
      <Text mb="sm">
        {t('{{count}} suspicious', { count: nSuspicious })}
        {nJudged !== null && ` ${t('of {{n}} judged', { n: number(nJudged) })}`}
        {contradicted !== null && ` · ${t('models contradict {{share}} of the labels', { share: percent(contradicted) })}`} · <TimeAgo at={at} />
      </Text>
      {rows.length === 0 ? (
        <Alert color="teal" variant="light">
          {t('No label stands out: the models hold none of them for half as likely as its opposite.')}
        </Alert>
      ) : (
        <>
          <Table.ScrollContainer minWidth={420}>
            <Table aria-label={t('Suspicious comparisons')} w="fit-content">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('Comparison')}</Table.Th>
                  <Table.Th ta="right">{t('Models agree with the label')}</Table.Th>
                  <Table.Th ta="right">{t('Reward gap')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map(({ comparison_id, p_chosen, strength, std }) => (
                  <Table.Tr key={comparison_id}>
                    <Table.Td>
                      <Anchor component={Link} to={stepOf(slug, comparison_id, REASON)} onClick={begin}>
                        {t('Comparison {{id}}', { id: comparison_id })}
                      </Anchor>
                    </Table.Td>
                    <Table.Td ta="right">{percent(p_chosen)}</Table.Td>
                    <Table.Td ta="right">
                      {number(strength, 2)}
                      {std !== null && std > 0 && ` ± ${number(std, 2)}`}
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
          <Group mt="sm">
            <Button component={Link} to={stepOf(slug, rows[0]?.comparison_id ?? 0, REASON)} onClick={begin} variant="default" size="xs">
              {t('Go through them')}
            </Button>
            <Anchor component={Link} to={`/projects/${slug}/disagreements?reason=${REASON}`} size="sm">
              {t('All of them in the queue')}
            </Anchor>
          </Group>
        </>
      )}
    </>
  );
}
