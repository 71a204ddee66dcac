import { Anchor, Code, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { Filled } from '@/components/Filled';
import { JobActions } from '@/components/JobActions';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { BulkScoringDetail } from '@/lib/api/types';
import { fileSize, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';

const SHOWN: [keyof BulkScoringDetail['counts'], string][] = [
  ['rows', t('Rows')], ['scored', t('Scored')], ['completions', t('Completions')], ['truncated', t('Cut to fit')], ['rejected', t('Bad rows')],
];

/** How far the scoring of a file is, and what it has written. */
export function BulkScoringResultPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayAct = useMay('import');
  const key = ['projects', slug, 'bulk-scorings', id];
  const scoring = useQuery({
    queryKey: key,
    queryFn: () => api.get<BulkScoringDetail>(`projects/${slug}/bulk-scorings/${id}`),
    refetchInterval: ({ state: { data } }) => (data?.job && !data.job.finished_at ? 1_500 : false),
  });
  return (
    <Loaded query={scoring}>
      {({ name, reward_model, created_at, job, counts, output_url, files, n_files }) => {
        const address = (file: string) => `/api/v1/projects/${slug}/bulk-scorings/${id}/files/${file}`;
        return (
          <>
            <PageHeader
              title={name}
              description={
                <Filled
                  text={t('With {{model}}, started {{when}}')}
                  model={
                    <Anchor component={Link} to={`/projects/${slug}/reward-models/${reward_model.id}`} underline="always">
                      {t('reward model v{{version}}', { version: reward_model.version })}
                    </Anchor>
                  }
                  when={<TimeAgo at={created_at} />}
                />
              }
              actions={mayAct && job && <JobActions job={job} reload={key} />}
            />
            <Stack gap="lg">
              {job && (
                <div>
                  <JobProgress job={job} />
                  <Anchor component={Link} to={`/projects/${slug}/jobs/${job.id}`} size="sm">
                    {t('Log of the job')}
                  </Anchor>
                </div>
              )}
              {counts.rows !== undefined && (
                <SimpleGrid cols={{ base: 2, sm: 5 }}>
                  {SHOWN.map(([count, label]) => (
                    <CountCard key={count} label={label} value={counts[count] ?? 0} />
                  ))}
                </SimpleGrid>
              )}
              <section aria-labelledby="files">
                <Title order={2} size="h4" mb="xs" id="files">
                  {t('Files')}
                </Title>
                <Group gap={4} mb="sm" wrap="nowrap">
                  <Code style={{ overflowWrap: 'anywhere' }}>{output_url}</Code>
                  <Copy value={output_url} label={t('Copy the place')} />
                </Group>
                {files.length === 0 ? (
                  <Text c="dimmed">{t('They appear there one by one, each whole; here they are listed when all rows are done.')}</Text>
                ) : (
                  <>
                    <Group mb="sm">
                      <Anchor href={address('manifest.json')} download>
                        {t('Manifest')}
                      </Anchor>
                      {(counts.rejected ?? 0) > 0 && (
                        <Anchor href={address('rejected.jsonl')} download>
                          {t('Which rows are bad, and why')}
                        </Anchor>
                      )}
                    </Group>
                    <Table.ScrollContainer minWidth={480}>
                      <Table aria-label={t('Files')}>
                        <Table.Thead>
                          <Table.Tr>
                            <Table.Th>{t('File')}</Table.Th>
                            <Table.Th ta="right">{t('Rows')}</Table.Th>
                            <Table.Th ta="right">{t('Size')}</Table.Th>
                            <Table.Th>SHA-256</Table.Th>
                          </Table.Tr>
                        </Table.Thead>
                        <Table.Tbody>
                          {files.map(({ path, rows, bytes, sha256 }) => (
                            <Table.Tr key={path}>
                              <Table.Td>
                                <Anchor href={address(path)} download>
                                  {path}
                                </Anchor>
                              </Table.Td>
                              <Table.Td ta="right">{number(rows)}</Table.Td>
                              <Table.Td ta="right">{fileSize(bytes)}</Table.Td>
                              <Table.Td>
                                <Code>{sha256.slice(0, 12)}</Code>
                              </Table.Td>
                            </Table.Tr>
                          ))}
                        </Table.Tbody>
                      </Table>
                    </Table.ScrollContainer>
                    {n_files > files.length && (
                      <Text size="sm" c="dimmed">
                        {t('The first {{shown}} of {{all}}; the manifest names them all.', { shown: number(files.length), all: number(n_files) })}
                      </Text>
                    )}
                  </>
                )}
              </section>
            </Stack>
          </>
        );
      }}
    </Loaded>
  );
}
