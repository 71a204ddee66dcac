import { BarChart } from '@mantine/charts';
import { Button, Card, Group, Paper, SimpleGrid, Stack, Table, Text, ThemeIcon, Title, VisuallyHidden } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Overview } from '@/lib/api/types';
import { useProject } from '@/lib/session';

const STEP_NEEDS: Record<string, string> = {
  import: 'import', guidelines: 'guidelines', invite: 'manage', label: 'label', refresh: 'train',
};

export function OverviewPage() {
  const project = useProject();
  const overview = useQuery({
    queryKey: ['projects', project.slug, 'overview'],
    queryFn: () => api.get<Overview>(`projects/${project.slug}/overview`),
    // Fresh figures are a few seconds away when the server says that these are stale.
    refetchInterval: (query) => (query.state.data?.is_stale ? 2_500 : 30_000),
  });
  return (
    <>
      <PageHeader
        title={project.name}
        description={project.description || `Which completion is better? Axis: ${project.axis}.`}
        actions={
          <Button component={Link} to={`/projects/${project.slug}/label`}>
            Label
          </Button>
        }
      />
      <Loaded query={overview}>
        {({ counts, ratings_per_day, next_steps, computed_at }) => (
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
              <CountCard label="Prompts" value={counts.prompts} />
              <CountCard label="Completions" value={counts.completions} />
              <CountCard label="Comparisons" value={counts.comparisons} hint={`${counts.comparisons_open} open`} />
              <CountCard label="Ratings" value={counts.ratings} />
              <CountCard label="Labellers" value={counts.labellers} />
            </SimpleGrid>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Card withBorder radius="lg" padding="lg">
                <Title order={2} mb="sm">
                  Ratings per day
                </Title>
                {ratings_per_day.length === 0 ? (
                  <Text c="dimmed">No ratings in the last 60 days.</Text>
                ) : (
                  <>
                    <div aria-hidden>
                      <BarChart h={220} data={ratings_per_day} dataKey="date" series={[{ name: 'n', label: 'Ratings', color: 'petrol.7' }]} />
                    </div>
                    <VisuallyHidden>
                      <Table aria-label="Ratings per day">
                        <Table.Tbody>
                          {ratings_per_day.map((day) => (
                            <Table.Tr key={day.date}>
                              <Table.Th>{day.date}</Table.Th>
                              <Table.Td>{day.n}</Table.Td>
                            </Table.Tr>
                          ))}
                        </Table.Tbody>
                      </Table>
                    </VisuallyHidden>
                  </>
                )}
              </Card>
              <Card withBorder radius="lg" padding="lg">
                <Title order={2} mb="sm">
                  What to do next
                </Title>
                <Stack gap="xs">
                  {next_steps
                    .filter((step) => project.capabilities.some((capability) => capability === STEP_NEEDS[step.code]))
                    .map((step) => (
                      <Paper key={step.code} component={Link} to={step.href} withBorder p="sm" radius="md" td="none" c="inherit">
                        <Group justify="space-between" wrap="nowrap">
                          <Text fw={550}>{step.label}</Text>
                          <ThemeIcon variant="light" radius="xl" aria-hidden>
                            <IconArrowRight size={16} />
                          </ThemeIcon>
                        </Group>
                      </Paper>
                    ))}
                </Stack>
              </Card>
            </SimpleGrid>
            <Text size="sm" c="dimmed">
              {computed_at ? (
                <>
                  Figures of <TimeAgo at={computed_at} />
                </>
              ) : (
                'The figures are being computed.'
              )}
            </Text>
          </Stack>
        )}
      </Loaded>
    </>
  );
}
