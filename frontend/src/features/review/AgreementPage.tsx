import { Alert, Anchor, Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { DisagreementBar } from '@/components/DisagreementBar';
import { Filled } from '@/components/Filled';
import { complain } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { StatCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Agreement } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';
import { Axes } from './agreement/Axes';
import { OverTime } from './agreement/OverTime';
import { Slices } from './agreement/Slices';
import { Versions } from './agreement/Versions';

export function AgreementPage() {
  const { slug } = useProject();
  const queries = useQueryClient();
  const key = ['projects', slug, 'agreement'];
  const agreement = useQuery({
    queryKey: key,
    queryFn: () => api.get<Agreement>(`projects/${slug}/agreement`),
    refetchInterval: ({ state: { data } }) => data && (data.is_stale || !data.computed_at ? 2_500 : 30_000),
  });
  const recompute = useMutation({
    mutationFn: () => api.post(`projects/${slug}/agreement/refresh`),
    onSuccess: () => queries.invalidateQueries({ queryKey: key }),
    onError: complain,
  });
  return (
    <>
      <PageHeader
        title={t('Agreement')}
        description={
          agreement.data?.computed_at && (
            <Filled
              text={agreement.data.is_stale ? t('Computed {{when}}; being computed anew') : t('Computed {{when}}')}
              when={<TimeAgo at={agreement.data.computed_at} />}
            />
          )
        }
        actions={
          <Button variant="default" loading={recompute.isPending} onClick={() => recompute.mutate()}>
            {t('Recompute')}
          </Button>
        }
      />
      <Loaded query={agreement}>
        {(found) =>
          !found.computed_at ? (
            <EmptyState title={t('The figures are being computed')}>{t('They appear here within seconds.')}</EmptyState>
          ) : found.n_ratings === 0 ? (
            <EmptyState
              title={t('No ratings yet')}
              action={
                <Button component={Link} to={`/projects/${slug}/label`}>
                  {t('Rate the first pair')}
                </Button>
              }
            >
              {t('Agreement appears as soon as comparisons have two ratings or more.')}
            </EmptyState>
          ) : (
            <Stack gap="xl">
              <Figures found={found} />
              <OverTime found={found} />
              <HowTheyDiffer found={found} slug={slug} />
              <Slices slices={found.slices} />
              <Versions versions={found.versions} />
              <Axes axes={found.axes} />
            </Stack>
          )
        }
      </Loaded>
    </>
  );
}

function Figures({ found }: { found: Agreement }) {
  const { slug, intensity_labels } = useProject();
  const strongest = intensity_labels[0] ?? t('better');
  return (
    <section aria-label={t('Figures')}>
      <Text c="dimmed" mb="sm">
        {t('{{ratings}} by {{labellers}} of {{comparisons}}, {{number}} of them rated more than once. Ranges are 95\u00a0% intervals.', {
          ratings: t('{{count}} ratings', { count: found.n_ratings }),
          labellers: t('{{count}} labellers', { count: found.n_labellers }),
          comparisons: t('{{count}} comparisons', { count: found.n_comparisons }),
          number: number(found.n_multiply_rated),
        })}
      </Text>
      {found.excluded_labellers > 0 && (
        <Alert color="gray" variant="light" mb="sm">
          <Filled
            text={t('The ratings of {{labellers}} are left out: they are excluded from the project’s figures and exports.')}
            labellers={
              <Anchor component={Link} to={`/projects/${slug}/labellers`} inherit underline="always">
                {t('{{count}} labellers', { count: found.excluded_labellers })}
              </Anchor>
            }
          />
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }}>
        <StatCard
          label={t('Percent agreement')}
          stat={found.percent_agreement}
          to={ratingsOf(slug)}
          help={t('Share of rating pairs on the same comparison that say the same')}
        />
        <StatCard
          label={t('Krippendorff’s α, nominal')}
          stat={found.alpha_nominal}
          style="number"
          help={t('On the side, beyond chance: 1 is perfect, 0 is chance')}
          to={ratingsOf(slug)}
        />
        <StatCard
          label={t('Krippendorff’s α, ordinal')}
          stat={found.alpha_ordinal}
          style="number"
          help={t('On side and intensity, from “A {{strongest}}” to “B {{strongest}}”', { strongest })}
          to={ratingsOf(slug)}
        />
        <StatCard
          label={t('Fleiss’ κ')}
          stat={found.fleiss_kappa}
          style="number"
          help={t('On the side; each comparison weighs the same, however many ratings it has')}
          to={ratingsOf(slug)}
        />
      </SimpleGrid>
      <Text size="sm" c="dimmed" mt="sm">
        {t('Which completion is called A changes α and κ: before they are computed, each comparison is turned by a draw from its number, always the same one.')}
      </Text>
    </section>
  );
}

function HowTheyDiffer({ found, slug }: { found: Agreement; slug: string }) {
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t('Disagreement')}</Title>
        <Group gap="md">
          <Anchor component={Link} to={`/projects/${slug}/disagreements`}>
            {t('What is worth a look')}
          </Anchor>
          <Anchor component={Link} to={`/projects/${slug}/comparisons?show=split&ordering=disagreement`}>
            {t('Comparisons that split the labellers')}
          </Anchor>
        </Group>
      </Group>
      <DisagreementBar found={found.disagreement} slug={slug} />
    </section>
  );
}
