import { Anchor, Button, Card, Code, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { Filled } from '@/components/Filled';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonSet } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';

const COUNTED = [
  ['comparisons', t('Comparisons')],
  ['train', t('To train on')],
  ['validation', t('For validation')],
  ['test', t('Held out')],
  ['prompts', t('Prompts')],
  ['ratings', t('Ratings')],
  ['ties', t('Ties')],
  ['labellers', t('Labellers')],
] as const;

export function ComparisonSetPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const path = `projects/${slug}/comparison-sets/${id}`;
  const set = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', id],
    queryFn: () => api.get<ComparisonSet>(path),
    refetchInterval: ({ state: { data } }) => (data && !data.frozen_at && !data.job?.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={set}>
      {(found) => (
        <>
          <PageHeader
            title={`${t('Comparison set {{number}}', { number: found.number })}${found.name ? `: ${found.name}` : ''}`}
            description={<About set={found} />}
            actions={
              found.frozen_at && (
                <Button
                  component="a"
                  href={`/api/v1/${path}/manifest`}
                  download={`comparison-set-${found.number}-manifest.json`}
                  variant="default"
                  leftSection={<IconDownload size={16} />}
                >
                  {t('Manifest')}
                </Button>
              )
            }
          />
          <Stack gap="xl">
            {found.job && !found.frozen_at && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${found.job.id}`} size="sm" mt="xs">
                  {t('Its job and log')}
                </Anchor>
              </Card>
            )}
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              {COUNTED.map(([name, text]) => {
                const n = found.counts[name];
                return n !== undefined && <CountCard key={name} label={text} value={n} />;
              })}
            </SimpleGrid>
            <section>
              <Title order={2} size="h4" mb="xs">
                {t('Spec')}
              </Title>
              <Table aria-label={t('Spec')} w="fit-content">
                <Table.Tbody>
                  {Object.entries(found.spec).map(([name, value]) => (
                    <Table.Tr key={name}>
                      <Table.Td c="dimmed">{inWords(name)}</Table.Td>
                      <Table.Td>{value === null ? '–' : typeof value === 'number' ? number(value) : inWords(String(value))}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </section>
            {found.digest && (
              <section>
                <Title order={2} size="h4" mb="xs">
                  {t('Files')}
                </Title>
                <Group gap="xs">
                  <Text size="sm">SHA-256</Text>
                  <Code>{found.digest.slice(0, 16)}…</Code>
                  <Copy value={found.digest} label={t('Copy the digest')} />
                </Group>
                <Group gap="xs" mt={4}>
                  <Text size="sm">{t('Where')}</Text>
                  <Code style={{ overflowWrap: 'anywhere' }}>{found.uri}</Code>
                  <Copy value={found.uri} label={t('Copy the place')} />
                </Group>
              </section>
            )}
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function About({ set }: { set: ComparisonSet }) {
  const versions = set.counts.guideline_versions ?? [];
  if (!set.frozen_at) return set.job?.finished_at ? t('Not written: its job did not end well.') : t('Being written.');
  return (
    <>
      <Filled
        text={t('Frozen {{when}}: the same ratings and spec give the same bytes.')}
        when={<TimeAgo at={set.frozen_at} />}
      />
      {versions.length > 0 &&
        ` ${t('Rated by guidelines {{versions}}.', { versions: versions.map((version) => `v${version}`).join(', ') })}`}
    </>
  );
}
