import { Alert, Anchor, Badge, Button, Card, Group, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { DriftReport } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { VERDICTS } from '@/lib/verdicts';

/** The latest verdict on drift, and the reports there are. */
export function DriftPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const rows = usePages<DriftReport>(['projects', slug, 'drift-reports'], `projects/${slug}/drift-reports`, {}, 10_000);
  const start = useMutation({
    mutationFn: () => api.post<DriftReport>(`projects/${slug}/drift-reports`, {}),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'drift-reports'] });
      void navigate(`/projects/${slug}/drift/${id}`);
    },
  });
  const latest = rows.rows?.find(({ verdict }) => verdict !== '');
  return (
    <>
      <PageHeader
        title={t('Drift')}
        description={t('How far what the policy writes now is from what the reward model was trained on. Far from it, rewards are guesses.')}
        actions={
          mayTrain && (
            <Button loading={start.isPending} onClick={() => start.mutate()}>
              {t('Compare now')}
            </Button>
          )
        }
      />
      {start.error && (
        <Alert color="red" role="alert" mb="md">
          {start.error.message}
        </Alert>
      )}
      {latest && (
        <Card withBorder radius="md" mb="lg">
          <Group justify="space-between" gap="xs">
            <Title order={2} size="h4">
              {t('Latest: report {{number}} on v{{version}}', { number: latest.number, version: latest.reward_model.version })}
            </Title>
            <VerdictBadge report={latest} />
          </Group>
          <Text size="sm" c="dimmed">
            <TimeAgo at={latest.finished_at ?? latest.created_at} />
          </Text>
        </Card>
      )}
      <PagedTable
        label={t('Drift reports')}
        query={rows}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No drift report yet')}>
            {t('A report compares the newest completions of the policy with those that the promoted reward model was trained on.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Report'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/drift/${row.id}`}>
                {t('Drift report {{number}}', { number: row.number })}
              </Anchor>
            ),
          },
          { title: t('Reward model'), cell: (row) => `v${row.reward_model.version}` },
          { title: t('Verdict'), cell: (row) => <VerdictBadge report={row} /> },
          { title: t('Made'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}

/** The verdict, before there is one the job's state. */
export function VerdictBadge({ report }: { report: DriftReport }) {
  if (report.verdict === '') return <StateBadge state={report.job?.state ?? 'queued'} />;
  const { label, colour } = VERDICTS[report.verdict];
  return (
    <Badge color={colour} variant="light" style={{ color: 'var(--mantine-color-text)' }}>
      {label}
    </Badge>
  );
}
