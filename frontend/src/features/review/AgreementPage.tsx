import { Alert, Anchor, Button, Group, Paper, Progress, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { complain } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { StatCard, StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Agreement } from '@/lib/api/types';
import { number, percent, plural } from '@/lib/format';
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
        title="Agreement"
        description={
          agreement.data?.computed_at && (
            <>
              Computed <TimeAgo at={agreement.data.computed_at} />
              {agreement.data.is_stale && '; being computed anew'}
            </>
          )
        }
        actions={
          <Button variant="default" loading={recompute.isPending} onClick={() => recompute.mutate()}>
            Recompute
          </Button>
        }
      />
      <Loaded query={agreement}>
        {(found) =>
          !found.computed_at ? (
            <EmptyState title="The figures are being computed">They appear here within seconds.</EmptyState>
          ) : found.n_ratings === 0 ? (
            <EmptyState
              title="No ratings yet"
              action={
                <Button component={Link} to={`/projects/${slug}/label`}>
                  Rate the first pair
                </Button>
              }
            >
              Agreement appears as soon as comparisons have two ratings or more.
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
  const strongest = intensity_labels[0] ?? 'better';
  return (
    <section aria-label="Figures">
      <Text c="dimmed" mb="sm">
        {plural(found.n_ratings, 'rating')} by {plural(found.n_labellers, 'labeller')} of {plural(found.n_comparisons, 'comparison')},{' '}
        {number(found.n_multiply_rated)} of them rated more than once. Ranges are 95&nbsp;% intervals.
      </Text>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <StatCard
          label="Percent agreement"
          stat={found.percent_agreement}
          help="Share of rating pairs on the same comparison that say the same"
        />
        <StatCard
          label="Krippendorff’s α, nominal"
          stat={found.alpha_nominal}
          style="number"
          help="On the side, beyond chance: 1 is perfect, 0 is chance"
        />
        <StatCard
          label="Krippendorff’s α, ordinal"
          stat={found.alpha_ordinal}
          style="number"
          help={`On side and intensity, from “A ${strongest}” to “B ${strongest}”`}
        />
      </SimpleGrid>
    </section>
  );
}

function Disagreement({ found, slug }: { found: Agreement; slug: string }) {
  const { rate, limit, is_above, unanimous, majority, split } = found.disagreement;
  const total = unanimous + majority + split;
  const parts = [
    { label: 'unanimous', n: unanimous, color: 'teal' },
    { label: 'majority', n: majority, color: 'yellow' },
    { label: 'split', n: split, color: 'red' },
  ];
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Disagreement
        </Title>
        <Anchor component={Link} to={`/projects/${slug}/comparisons?show=split&ordering=disagreement`}>
          Comparisons that split the labellers
        </Anchor>
      </Group>
      {is_above && (
        <Alert color="orange" mb="sm" styles={{ title: { color: 'var(--mantine-color-text)' } }} title={`Above the project’s limit of ${percent(limit, 0)}`}>
          Look at what splits the labellers: mostly it is one kind of case that the guidelines do not settle.
        </Alert>
      )}
      <Paper withBorder p="md" radius="md">
        <Text mb="xs">
          {rate === null
            ? 'No comparison has two ratings yet.'
            : `Two ratings of the same comparison differ in ${percent(rate)} of the cases; the limit is ${percent(limit, 0)}.`}
        </Text>
        {total > 0 && (
          <>
            <Progress.Root size={22} aria-label="Comparisons by agreement">
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
        Labellers
      </Title>
      <Table.ScrollContainer minWidth={560} scrollAreaProps={SCROLLABLE}>
        <Table aria-label="Labellers" verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Labeller</Table.Th>
              <Table.Th ta="right">Ratings</Table.Th>
              <Table.Th>Agreement with the others</Table.Th>
              <Table.Th>First side preferred</Table.Th>
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
        {found.labellers.length < found.n_labellers && `The ${found.labellers.length} with the most ratings are listed. `}
        Without position bias the side shown first is preferred in half of the ratings.
      </Text>
    </section>
  );
}
