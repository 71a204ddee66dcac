import { Anchor, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { DisagreementBar } from '@/components/DisagreementBar';
import { CountCard, StatCard } from '@/components/StatValue';
import type { Cost, Forecast, Overview } from '@/lib/api/types';
import { money, number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { forecastWords } from './forecast';

/** What is left to rate, when it is done, and what it costs. */
export function Progress({ forecast, cost }: { forecast: Forecast; cost: Cost | null }) {
  const { slug } = useProject();
  const maySet = useMay('manage');
  return (
    <Card component="section" withBorder radius="lg" padding="lg" aria-label={t('Remaining work')}>
      <Title order={2} mb="sm">
        {t('Remaining work')}
      </Title>
      <Text fw={550} mb="sm">
        {forecastWords(forecast)}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <CountCard
          label={t('Ratings to come')}
          value={forecast.n_remaining}
          hint={t('for {{comparisons}}', { comparisons: t('{{count}} comparisons', { count: forecast.n_remaining_comparisons }) })}
        />
        <CountCard label={t('Pace')} value={number(forecast.per_day, forecast.per_day < 10 ? 1 : 0)} hint={t('ratings a day, last 14 days')} />
        {cost && (
          <>
            <CountCard
              label={t('Spent')}
              value={money(cost.spent, cost.currency)}
              hint={t('{{hours}} hours of active time', { hours: number(cost.spent_hours, 1) })}
            />
            <CountCard
              label={t('To come')}
              value={cost.remaining === null ? '–' : money(cost.remaining, cost.currency)}
              hint={
                cost.per_comparison === null ? undefined : t('{{amount}} a comparison', { amount: money(cost.per_comparison, cost.currency) })
              }
            />
          </>
        )}
      </SimpleGrid>
      {cost && cost.is_estimated >= 0.005 && (
        <Text size="sm" c="dimmed" mt="sm">
          {t('The time of {{share}} of the ratings is not known; they are taken to have needed the mean of the others.', {
            share: percent(cost.is_estimated, 0),
          })}
        </Text>
      )}
      {!cost && maySet && (
        <Text size="sm" c="dimmed" mt="sm">
          <Anchor component={Link} to={`/projects/${slug}/settings`}>
            {t('Set a pay to see what it costs.')}
          </Anchor>
        </Text>
      )}
    </Card>
  );
}

/** How well labellers agree, in short. */
export function AgreementSummary({ found }: { found: NonNullable<Overview['agreement']> }) {
  const { slug } = useProject();
  return (
    <Card component="section" withBorder radius="lg" padding="lg" aria-label={t('Agreement')}>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t('Agreement')}</Title>
        <Anchor component={Link} to={`/projects/${slug}/agreement`}>
          {t('All figures')}
        </Anchor>
      </Group>
      <Stack gap="sm">
        <SimpleGrid cols={2} spacing="sm">
          <StatCard
            label={t('Krippendorff’s α, nominal')}
            stat={found.alpha_nominal}
            style="number"
            to={`/projects/${slug}/agreement`}
          />
          <CountCard
            label={t('Worth a look')}
            value={found.n_worth}
            hint={t('comparisons: split, flagged, or against the model')}
            to={`/projects/${slug}/disagreements`}
          />
        </SimpleGrid>
        <DisagreementBar found={found.disagreement} slug={slug} />
      </Stack>
    </Card>
  );
}
