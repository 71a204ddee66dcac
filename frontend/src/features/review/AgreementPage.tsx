import { Alert, Anchor, Button, Group, Paper, Progress, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { Filled } from '@/components/Filled';
import { complain } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { StatCard, StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Agreement } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { SCROLLABLE } from './scrollable';

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
              <Disagreement found={found} slug={slug} />
              <Labellers found={found} />
            </Stack>
          )
        }
      </Loaded>
    </>
  );
}

function Figures({ found }: { found: Agreement }) {
  const { intensity_labels } = useProject();
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
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <StatCard
          label={t('Percent agreement')}
          stat={found.percent_agreement}
          help={t('Share of rating pairs on the same comparison that say the same')}
        />
        <StatCard
          label={t('Krippendorff’s α, nominal')}
          stat={found.alpha_nominal}
          style="number"
          help={t('On the side, beyond chance: 1 is perfect, 0 is chance')}
        />
        <StatCard
          label={t('Krippendorff’s α, ordinal')}
          stat={found.alpha_ordinal}
          style="number"
          help={t('On side and intensity, from “A {{strongest}}” to “B {{strongest}}”', { strongest })}
        />
      </SimpleGrid>
    </section>
  );
}

function Disagreement({ found, slug }: { found: Agreement; slug: string }) {
  const { rate, limit, is_above, unanimous, majority, split } = found.disagreement;
  const total = unanimous + majority + split;
  const parts = [
    { label: t('unanimous'), n: unanimous, color: 'teal' },
    { label: t('majority'), n: majority, color: 'yellow' },
    { label: t('split'), n: split, color: 'red' },
  ];
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t('Disagreement')}
        </Title>
        <Anchor component={Link} to={`/projects/${slug}/comparisons?show=split&ordering=disagreement`}>
          {t('Comparisons that split the labellers')}
        </Anchor>
      </Group>
      {is_above && (
        <Alert color="orange" mb="sm" styles={{ title: { color: 'var(--mantine-color-text)' } }} title={t('Above the project’s limit of {{limit}}', { limit: percent(limit, 0) })}>
          {t('Look at what splits the labellers: mostly it is one kind of case that the guidelines do not settle.')}
        </Alert>
      )}
      <Paper withBorder p="md" radius="md">
        <Text mb="xs">
          {rate === null
            ? t('No comparison has two ratings yet.')
            : t('Two ratings of the same comparison differ in {{rate}} of the cases; the limit is {{limit}}.', {
                rate: percent(rate),
                limit: percent(limit, 0),
              })}
        </Text>
        {total > 0 && (
          <>
            <Progress.Root size={22} aria-label={t('Comparisons by agreement')}>
              {parts.map(({ label, n, color }) => (
                <Progress.Section key={label} value={(100 * n) / total} color={color} aria-label={`${label}: ${n}`} />
              ))}
            </Progress.Root>
            <Group gap="lg" mt="xs">
              {parts.map(({ label, n, color }) => (
                <Group key={label} gap={6}>
                  <span aria-hidden style={{ width: 10, height: 10, borderRadius: 5, background: `var(--mantine-color-${color}-filled)` }} />
                  <Text size="sm">
                    {label} {number(n)} ({percent(n / total, 0)})
                  </Text>
                </Group>
              ))}
            </Group>
          </>
        )}
      </Paper>
    </section>
  );
}

function Labellers({ found }: { found: Agreement }) {
  return (
    <section>
      <Title order={2} size="h4" mb="sm">
        {t('Labellers')}
      </Title>
      <Table.ScrollContainer minWidth={560} scrollAreaProps={SCROLLABLE}>
        <Table aria-label={t('Labellers')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Labeller')}</Table.Th>
              <Table.Th ta="right">{t('Ratings')}</Table.Th>
              <Table.Th>{t('Agreement with the others')}</Table.Th>
              <Table.Th>{t('First side preferred')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {found.labellers.map((labeller) => (
              <Table.Tr key={labeller.id}>
                <Table.Td ff="monospace">{labeller.pseudonym}</Table.Td>
                <Table.Td ta="right">{number(labeller.n_ratings)}</Table.Td>
                <Table.Td>
                  <StatText stat={labeller.agreement_with_others} />
                </Table.Td>
                <Table.Td>
                  <StatText stat={labeller.first_side_share} unit="rating" />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="sm" c="dimmed" mt="xs">
        {found.labellers.length < found.n_labellers &&
          `${t('The {{number}} with the most ratings are listed.', { number: number(found.labellers.length) })} `}
        {t('Without position bias the side shown first is preferred in half of the ratings.')}
      </Text>
    </section>
  );
}
