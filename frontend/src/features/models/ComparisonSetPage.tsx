import { Anchor, Button, Card, Code, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonSet } from '@/lib/api/types';
import { useProject } from '@/lib/session';

const COUNTED = [
  ['comparisons', 'Comparisons'],
  ['train', 'To train on'],
  ['validation', 'For validation'],
  ['test', 'Held out'],
  ['prompts', 'Prompts'],
  ['ratings', 'Ratings'],
  ['ties', 'Ties'],
  ['labellers', 'Labellers'],
] as const;

const words = (name: string) => name.replaceAll('_', ' ');

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
            title={`Comparison set ${found.number}${found.name ? `: ${found.name}` : ''}`}
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
                  Manifest
                </Button>
              )
            }
          />
          <Stack gap="xl">
            {found.job && !found.frozen_at && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${found.job.id}`} size="sm" mt="xs">
                  Its job and log
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
                Spec
              </Title>
              <Table aria-label="Spec" w="fit-content">
                <Table.Tbody>
                  {Object.entries(found.spec).map(([name, value]) => (
                    <Table.Tr key={name}>
                      <Table.Td c="dimmed">{words(name)}</Table.Td>
                      <Table.Td>{value === null ? '–' : String(value)}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </section>
            {found.digest && (
              <section>
                <Title order={2} size="h4" mb="xs">
                  Files
                </Title>
                <Group gap="xs">
                  <Text size="sm">SHA-256</Text>
                  <Code>{found.digest.slice(0, 16)}…</Code>
                  <Copy value={found.digest} label="Copy the digest" />
                </Group>
                <Group gap="xs" mt={4}>
                  <Text size="sm">Where</Text>
                  <Code style={{ overflowWrap: 'anywhere' }}>{found.uri}</Code>
                  <Copy value={found.uri} label="Copy the place" />
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
  if (!set.frozen_at) return set.job?.finished_at ? 'Not written: its job did not end well.' : 'Being written.';
  return (
    <>
      Frozen <TimeAgo at={set.frozen_at} />: the same ratings and spec give the same bytes.
      {versions.length > 0 && ` Rated by guidelines ${versions.map((version) => `v${version}`).join(', ')}.`}
    </>
  );
}
