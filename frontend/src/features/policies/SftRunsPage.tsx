import { Anchor, Button, Text } from '@mantine/core';
import { IconPlayerPlay } from '@tabler/icons-react';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { SftRun } from '@/lib/api/types';
import { duration, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { learnsFrom } from './sft';

/** Every fine-tuning of a base model. */
export function SftRunsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const runs = usePages<SftRun>(['projects', slug, 'sft-runs'], `projects/${slug}/sft-runs`, {}, 5_000);
  const start = mayTrain && (
    <Button component={Link} to={`/projects/${slug}/sft-runs/new`} leftSection={<IconPlayerPlay size={16} aria-hidden />}>
      {t('New SFT run')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Fine-tuning')}
        description={t('Teach a base model by completions that people chose or wrote. What comes of it can start a policy, write completions, or be a reward model’s base.')}
        actions={start}
      />
      <PagedTable
        label={t('SFT runs')}
        query={runs}
        minWidth={720}
        rowKey={(row) => row.number}
        empty={
          <EmptyState title={t('No SFT run yet')} action={start}>
            {mayTrain
              ? t('A run takes a base model and the chosen completions of a comparison set, or what people wrote, and leaves a checkpoint.')
              : t('Researchers start them: each teaches a base model by examples and leaves a checkpoint.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Run'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/sft-runs/${row.number}`}>
                {number(row.number)}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (row) => <StateBadge state={row.job?.is_cancelling ? 'cancelling' : row.state} /> },
          {
            title: t('Base model'),
            cell: (row) => (
              <span style={{ overflowWrap: 'anywhere' }}>
                {row.base_name}
                {row.checkpoint && (
                  <Text size="xs" c="dimmed">
                    {t('kept: {{name}}', { name: row.checkpoint.name })}
                  </Text>
                )}
              </span>
            ),
          },
          { title: t('Learns from'), cell: (row) => learnsFrom(row.options) },
          { title: t('Examples'), align: 'right', cell: (row) => number(row.counts.n_examples) },
          {
            title: t('Held-out loss, before and after'),
            align: 'right',
            cell: ({ report }) => (report?.heldout_after === undefined ? '–' : `${number(report.heldout_before, 2)} → ${number(report.heldout_after, 2)}`),
          },
          { title: t('Took'), align: 'right', cell: (row) => duration(row.job?.started_at ?? null, row.finished_at) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}
