import { Alert, Anchor, Button, Group, Select, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api, type Page } from '@/lib/api/client';
import type { ModelComparison, RewardModel } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

/** Chooses two models to compare, and lists the comparisons there are. */
export function ComparePage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const rows = usePages<ModelComparison>(['projects', slug, 'reward-models', 'compare'], `projects/${slug}/reward-models/compare`, {}, 10_000);
  return (
    <>
      <PageHeader
        title={t('Compare two reward models')}
        description={t('On the same held-out comparisons, paired: small differences show that two separate accuracies hide.')}
      />
      {mayTrain && <Start />}
      <Title order={2} size="h4" mt="lg" mb="xs">
        {t('Compared so far')}
      </Title>
      <PagedTable
        label={t('Compared so far')}
        query={rows}
        rowKey={(row) => row.id}
        empty={<EmptyState title={t('None compared yet')}>{t('A new model is worth comparing with the one in use.')}</EmptyState>}
        columns={[
          {
            title: t('Models'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/reward-models/compare/${row.id}`}>
                {t('v{{a}} and v{{b}}', { a: row.a.version, b: row.b.version })}
              </Anchor>
            ),
          },
          { title: t('Comparison set'), cell: (row) => row.comparison_set.number },
          { title: t('State'), cell: (row) => <StateBadge state={row.job?.state ?? 'queued'} /> },
          { title: t('Made'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}

function Start() {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [query] = useSearchParams();
  const models = useQuery({
    queryKey: ['projects', slug, 'reward-models', 'to-compare'],
    queryFn: () => api.get<Page<RewardModel>>(`projects/${slug}/reward-models`),
  });
  const trained = models.data?.results.filter(({ state }) => state !== 'training' && state !== 'failed') ?? [];
  const [a, setA] = useState<string | null>(query.get('a'));
  const [b, setB] = useState<string | null>(query.get('b'));
  const first = a ?? String(trained.find(({ state }) => state === 'promoted')?.id ?? trained[1]?.id ?? '');
  const second = b ?? String(trained.find(({ id }) => String(id) !== first)?.id ?? '');
  const start = useMutation({
    mutationFn: () => api.post<{ id: number }>(`projects/${slug}/reward-models/compare`, { a_id: Number(first), b_id: Number(second) }),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'reward-models', 'compare'] });
      void navigate(`/projects/${slug}/reward-models/compare/${id}`);
    },
  });
  if (models.data && trained.length < 2) {
    return <Text c="dimmed">{t('There have to be two trained models to compare.')}</Text>;
  }
  const options = trained.map(({ id, version, metrics }) => ({ value: String(id), label: `v${version} · ${percent(metrics.accuracy.value)}` }));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        start.mutate();
      }}
    >
      {start.error && (
        <Alert color="red" role="alert" mb="xs">
          {start.error.message}
        </Alert>
      )}
      <Group align="flex-end">
        <Select label={t('First model')} data={options} value={first || null} onChange={setA} allowDeselect={false} w={180} />
        <Select label={t('Second model')} data={options} value={second || null} onChange={setB} allowDeselect={false} w={180} />
        <Button type="submit" loading={start.isPending} disabled={!first || !second || first === second}>
          {t('Compare')}
        </Button>
      </Group>
      <Text size="sm" c="dimmed" mt={4}>
        {t('On the held-out part of the newer one’s comparison set.')}
      </Text>
    </form>
  );
}
