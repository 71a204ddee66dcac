import { Anchor, Button } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconSparkles } from '@tabler/icons-react';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { Generation } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { StartGeneration } from './StartGeneration';
import { totalOf } from './totals';

/** Every generation of completions, and the form that starts one. */
export function GenerationsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const [isOpen, { open, close }] = useDisclosure();
  const generations = usePages<Generation>(['projects', slug, 'generations'], `projects/${slug}/generations`, {}, 5_000);
  const start = mayTrain && (
    <Button leftSection={<IconSparkles size={16} />} onClick={open}>
      {t('Generate completions')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Generations')}
        description={t('Models complete prompts of the pool. A sampling round then chooses which of the completions to compare.')}
        actions={start}
      />
      <PagedTable
        label={t('Generations')}
        query={generations}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No generation yet')} action={start}>
            {t('Comparisons teach most where the current policy writes. Let it, and a mix of other sources, complete prompts that nobody has rated yet.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Generation'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/generations/${row.id}`}>
                {row.number}
              </Anchor>
            ),
          },
          {
            title: t('State'),
            cell: ({ job, finished_at }) => (
              <StateBadge state={job?.is_cancelling ? 'cancelling' : (job?.state ?? (finished_at ? 'succeeded' : 'queued'))} />
            ),
          },
          { title: t('Prompts'), align: 'right', cell: ({ counts, options }) => number(counts.prompts || options.n_prompts) },
          { title: t('Written'), align: 'right', cell: ({ counts }) => number(counts.written) },
          { title: t('Dropped'), align: 'right', cell: ({ counts }) => number(totalOf(counts.dropped)) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
      {mayTrain && <StartGeneration isOpen={isOpen} close={close} />}
    </>
  );
}
