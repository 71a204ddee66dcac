import { BarChart } from '@mantine/charts';
import { Button, Card, Group, Paper, SimpleGrid, Stack, Table, Text, ThemeIcon, Title, VisuallyHidden } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { Filled } from '@/components/Filled';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Capability, Overview } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

/** What a new project lacks, by the server's code, and who may do something about it. */
const STEPS: Record<string, { needs: Capability; text: string }> = {
  import: { needs: 'import', text: t('Import prompts and completions') },
  guidelines: { needs: 'guidelines', text: t('Write guidelines') },
  invite: { needs: 'manage', text: t('Invite labellers') },
  label: { needs: 'label', text: t('Rate comparisons') },
  refresh: { needs: 'train', text: t('Train a reward model') },
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
        description={project.description || t('Which completion is better? Axis: {{axis}}.', { axis: project.axis })}
        actions={
          <Button component={Link} to={`/projects/${project.slug}/label`}>
            {t('Label')}
          </Button>
        }
      />
      <Loaded query={overview}>
        {({ counts, ratings_per_day, next_steps, computed_at }) => (
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
              <CountCard label={t('Prompts')} value={counts.prompts} />
              <CountCard label={t('Completions')} value={counts.completions} />
              <CountCard label={t('Comparisons')} value={counts.comparisons} hint={t('{{number}} open', { number: number(counts.comparisons_open) })} />
              <CountCard label={t('Ratings')} value={counts.ratings} />
              <CountCard label={t('Labellers')} value={counts.labellers} />
            </SimpleGrid>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Card withBorder radius="lg" padding="lg">
                <Title order={2} mb="sm">
                  {t('Ratings per day')}
                </Title>
                {ratings_per_day.length === 0 ? (
                  <Text c="dimmed">{t('No ratings in the last 60 days.')}</Text>
                ) : (
                  <>
                    <div aria-hidden>
                      <BarChart h={220} data={ratings_per_day} dataKey="date" series={[{ name: 'n', label: t('Ratings'), color: 'petrol.7' }]} barChartProps={{ accessibilityLayer: false }} />
                    </div>
                    <VisuallyHidden>
                      <Table aria-label={t('Ratings per day')}>
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
                  {t('What to do next')}
                </Title>
                <Stack gap="xs">
                  {next_steps
                    .filter((step) => project.capabilities.some((capability) => capability === STEPS[step.code]?.needs))
                    .map((step) => (
                      <Paper key={step.code} component={Link} to={step.href} withBorder p="sm" radius="md" td="none" c="inherit">
                        <Group justify="space-between" wrap="nowrap">
                          <Text fw={550}>{STEPS[step.code]?.text ?? step.label}</Text>
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
                <Filled text={t('Figures of {{when}}')} when={<TimeAgo at={computed_at} />} />
              ) : (
                t('The figures are being computed.')
              )}
            </Text>
          </Stack>
        )}
      </Loaded>
    </>
  );
}
