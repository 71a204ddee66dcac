import { Anchor, Button, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { JobProgress } from '@/components/JobProgress';
import { complain } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { ImportRun } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';

const SHOWN: [string, string][] = [
  ['rows', t('Rows')], ['prompts', t('New prompts')], ['completions', t('New completions')], ['comparisons', t('New comparisons')],
  ['ratings', t('New ratings')], ['duplicates', t('Known already')], ['bad_rows', t('Bad rows')],
];

export function ImportPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const queries = useQueryClient();
  const key = ['projects', slug, 'imports', id];
  const path = `projects/${slug}/imports/${id}`;
  const run = useQuery({
    queryKey: key,
    queryFn: () => api.get<ImportRun>(path),
    refetchInterval: (query) => (query.state.data?.job.finished_at ? false : 1_000),
  });
  const act = useMutation({
    mutationFn: ({ job, verb }: { job: string; verb: 'cancel' | 'retry' }) => api.post(`jobs/${job}/${verb}`),
    onSuccess: () => queries.invalidateQueries({ queryKey: key }),
    onError: complain,
  });
  return (
    <Loaded query={run}>
      {({ filename, format, job, counts, errors }) => (
        <>
          <PageHeader
            title={filename}
            description={t('Format: {{format}}', { format: inWords(format) })}
            actions={
              <>
                {job.can_cancel && (
                  <Button variant="default" onClick={() => act.mutate({ job: job.id, verb: 'cancel' })}>
                    {t('Cancel')}
                  </Button>
                )}
                {job.can_retry && <Button onClick={() => act.mutate({ job: job.id, verb: 'retry' })}>{t('Go on with it')}</Button>}
              </>
            }
          />
          <Stack gap="lg">
            <JobProgress job={job} />
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              {SHOWN.map(([name, label]) => (
                <CountCard key={name} label={label} value={counts[name] ?? 0} />
              ))}
            </SimpleGrid>
            {job.state === 'succeeded' && (
              <Anchor component={Link} to={`/projects/${slug}`}>
                {t('To the overview')}
              </Anchor>
            )}
            {errors.length > 0 && (
              <section>
                <Title order={2} mb="xs">
                  {t('Rows that were not taken')}
                </Title>
                <Text c="dimmed" size="sm" mb="sm">
                  {t('The first {{number}}. Mend them and import the file again: what is in already is not added twice.', {
                    number: number(errors.length),
                  })}{' '}
                  <Anchor href={`/api/v1/${path}/errors.csv`} download>
                    {t('Download all as CSV')}
                  </Anchor>
                </Text>
                <Table aria-label={t('Rows that were not taken')}>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{t('Line')}</Table.Th>
                      <Table.Th>{t('Field')}</Table.Th>
                      <Table.Th>{t('Reason')}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {errors.map((error) => (
                      <Table.Tr key={`${error.line} ${error.field}`}>
                        <Table.Td>{error.line}</Table.Td>
                        <Table.Td>{error.field}</Table.Td>
                        <Table.Td>{error.reason}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </section>
            )}
          </Stack>
        </>
      )}
    </Loaded>
  );
}
