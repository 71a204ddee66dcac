import { Anchor, Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlayerPlay } from '@tabler/icons-react';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import type { RefreshCycle } from '@/lib/api/types';
import { duration } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { StartRefresh } from './StartRefresh';

export function RefreshesPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const [isOpen, { open, close }] = useDisclosure();
  const refreshes = usePages<RefreshCycle>(['projects', slug, 'refreshes'], `projects/${slug}/refreshes`, {}, 5_000);
  const start = mayTrain && (
    <Button leftSection={<IconPlayerPlay size={16} />} onClick={open}>
      {t('Start a refresh')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Refresh')}
        description={t('From the ratings of this moment to a served reward model, and to the comparisons to ask for next.')}
        actions={start}
      />
      <PagedTable
        label={t('Refreshes')}
        query={refreshes}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No refresh yet')} action={start}>
            {t('A refresh exports the ratings, trains a reward model on them, evaluates it on held-out prompts, and lets it choose what to label next. It takes a few minutes.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Refresh'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/refreshes/${row.id}`}>
                {row.number}
                {row.name && ` · ${row.name}`}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (row) => <StateBadge state={row.state} /> },
          {
            title: t('Reward model'),
            cell: (row) =>
              row.reward_model ? (
                <Anchor component={Link} to={`/projects/${slug}/reward-models/${row.reward_model.id}`}>
                  v{row.reward_model.version}
                </Anchor>
              ) : (
                <Text c="dimmed">–</Text>
              ),
          },
          {
            title: t('Held-out accuracy'),
            cell: (row) => (row.reward_model ? <StatText stat={row.reward_model.metrics.accuracy} /> : '–'),
          },
          { title: t('Took'), align: 'right', cell: (row) => duration(row.job.started_at, row.job.finished_at) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
      {mayTrain && <StartRefresh isOpen={isOpen} close={close} />}
    </>
  );
}
