import { Button, Card, Group, Paper, SimpleGrid, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import { BarsPerDay } from '@/components/charts/BarsPerDay';
import { ChartFrame } from '@/components/charts/ChartFrame';
import { CsvButton } from '@/components/CsvButton';
import { Filled } from '@/components/Filled';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Capability, Overview } from '@/lib/api/types';
import { day, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useMay, useProject } from '@/lib/session';
import { everyDay } from './days';
import { AgreementSummary, Progress } from './Progress';

/** What a new project lacks, by the server's code, and who may do something about it. */
const STEPS: Record<string, { needs: Capability; text: string }> = {
  paused: { needs: 'adjudicate', text: t('See who is paused') },
  import: { needs: 'import', text: t('Import prompts and completions') },
  guidelines: { needs: 'guidelines', text: t('Write guidelines') },
  invite: { needs: 'manage', text: t('Invite labellers') },
  label: { needs: 'label', text: t('Rate comparisons') },
  refresh: { needs: 'train', text: t('Train a reward model') },
};

export function OverviewPage() {
  const project = useProject();
  const mayReview = useMay('review');
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
        {({ counts, ratings_per_day, next_steps, computed_at, forecast, cost, agreement }) => (
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
              <CountCard label={t('Prompts')} value={counts.prompts} />
              <CountCard label={t('Completions')} value={counts.completions} />
              <CountCard
                label={t('Comparisons')}
                value={counts.comparisons}
                hint={t('{{number}} open', { number: number(counts.comparisons_open) })}
                to={mayReview ? `/projects/${project.slug}/comparisons` : undefined}
              />
              <CountCard label={t('Ratings')} value={counts.ratings} to={mayReview ? ratingsOf(project.slug) : undefined} />
              <CountCard label={t('Labellers')} value={counts.labellers} to={mayReview ? `/projects/${project.slug}/labellers` : undefined} />
            </SimpleGrid>
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <RatingsPerDay rows={ratings_per_day} />
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
              {forecast && <Progress forecast={forecast} cost={cost} />}
              {agreement && <AgreementSummary found={agreement} />}
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

function RatingsPerDay({ rows }: { rows: Overview['ratings_per_day'] }) {
  const { slug } = useProject();
  const mayReview = useMay('review');
  const navigate = useNavigate();
  const behind = (date: string) => ratingsOf(slug, { from: date, to: date });
  return (
    <ChartFrame
      title={t('Ratings per day')}
      actions={mayReview && <CsvButton slug={slug} name="ratings-per-day" title={t('Ratings per day')} />}
      chart={
        <BarsPerDay
          label={t('Ratings')}
          rows={everyDay(rows)}
          onOpen={mayReview ? (at) => void navigate(behind(at)) : undefined}
        />
      }
      rows={rows.toReversed()}
      rowKey={({ date }) => date}
      columns={[
        { title: t('Day'), text: ({ date }) => day(date) },
        { title: t('Ratings'), text: ({ n }) => number(n), to: ({ date }) => (mayReview ? behind(date) : null), align: 'right' },
      ]}
      empty={t('No ratings in the last 60 days.')}
    />
  );
}
