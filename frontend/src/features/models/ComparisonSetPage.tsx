import { Button, Code, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { ComparisonSet } from '@/lib/api/types';
import { useProject } from '@/lib/session';

const words = (name: string) => name.replaceAll('_', ' ');

export function ComparisonSetPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const path = `projects/${slug}/comparison-sets/${id}`;
  const set = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', id],
    queryFn: () => api.get<ComparisonSet>(path),
    refetchInterval: (query) => (query.state.data?.frozen_at || query.state.data?.job?.finished_at ? false : 2_000),
  });
  return (
    <Loaded query={set}>
      {(found) => (
        <>
          <PageHeader
            title={`Comparison set ${found.number}${found.name ? `: ${found.name}` : ''}`}
            description={found.frozen_at ? 'Frozen: the same ratings and spec give the same bytes.' : 'Being written.'}
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
            {found.job && !found.frozen_at && <JobProgress job={found.job} />}
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              {['comparisons', 'train', 'validation', 'test', 'prompts', 'ratings', 'labellers'].map(
                (name) => typeof found.counts[name] === 'number' && <CountCard key={name} label={words(name)} value={found.counts[name]} />,
              )}
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
