import { Anchor, Button, Text } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { PolicyRun } from '@/lib/api/types';
import { duration, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { stopWords } from './words';

/** Every run that has trained a policy on a reward model. */
export function PolicyRunsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const runs = usePages<PolicyRun>(['projects', slug, 'policy-runs'], `projects/${slug}/policy-runs`, {}, 5_000);
  const start = mayTrain && (
    <Button component={Link} to={`/projects/${slug}/policy-runs/new`} leftSection={<IconPlayerPlay size={16} aria-hidden />}>
      {t('New policy run')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Policy runs')}
        description={t('Train a policy on the frozen reward model, and see where its reward and what people prefer part.')}
        actions={start}
      />
      <PagedTable
        label={t('Policy runs')}
        query={runs}
        minWidth={760}
        rowKey={(row) => row.number}
        empty={
          <EmptyState title={t('No policy run yet')} action={start}>
            {mayTrain
              ? t('A reward model is proved by the policy it trains. A run optimises one against it, measures how far it strays, and keeps the best.')
              : t('Researchers start them: each optimises a policy against a reward model and keeps the best.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Run'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/policy-runs/${row.number}`}>
                {number(row.number)}
              </Anchor>
            ),
          },
          {
            title: t('State'),
            cell: (row) => (
              <>
                <StateBadge state={row.job?.is_cancelling ? 'cancelling' : row.state} />
                <Text size="xs" c="dimmed">
                  {stopWords(row) || progressWords(row)}
                </Text>
              </>
            ),
          },
          {
            title: t('Policy'),
            cell: (row) => (
              <>
                {row.start_label}
                {row.checkpoint && (
                  <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                    {t('kept: {{name}}', { name: row.checkpoint.name })}
                  </Text>
                )}
              </>
            ),
          },
          { title: t('Reward model'), cell: (row) => row.reward_model.label },
          {
            title: t('Gain in reward, in gold'),
            align: 'right',
            cell: ({ latest }) =>
              latest ? (
                <>
                  {number(latest.reward_gain, 2)}, {number(latest.gold_gain, 2)}
                  <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
                    {t('KL {{kl}} nats', { kl: number(latest.kl, 1) })}
                  </Text>
                </>
              ) : (
                '–'
              ),
          },
          { title: t('beta'), align: 'right', cell: (row) => number(row.options.beta) },
          { title: t('Took'), align: 'right', cell: (row) => duration(row.job?.started_at ?? null, row.finished_at) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}

function progressWords({ progress, finished_at }: PolicyRun): string {
  const { done = 0, total = null } = progress ?? {};
  return total && !finished_at ? t('{{done}} of {{total}} updates', { done: number(done), total: number(total) }) : '';
}
