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
import type { SamplingRound } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { acquisitionWords } from '@/lib/sampling/rules';
import { useMay, useProject } from '@/lib/session';
import { StartRound } from './StartRound';
import { stateOf } from './state';

/** All rounds, with what each brought. */
export function RoundsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const [isOpen, { open, close }] = useDisclosure();
  const rounds = usePages<SamplingRound>(['projects', slug, 'sampling-rounds'], `projects/${slug}/sampling-rounds`, {}, 5_000);
  const start = mayTrain && (
    <Button leftSection={<IconPlayerPlay size={16} />} onClick={open}>
      {t('Start a sampling round')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Sampling')}
        description={t('Each round asks for the comparisons whose labels would teach the reward model most, and for some at random to check it by.')}
        actions={start}
      />
      <PagedTable
        label={t('Sampling rounds')}
        query={rounds}
        minWidth={760}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No sampling round yet')} action={start}>
            {t('A refresh ends with one. By hand it takes a reward model and completions that nobody has compared yet.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Round'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/sampling-rounds/${row.id}`} style={{ whiteSpace: 'nowrap' }}>
                {t('Round {{number}}', { number: row.number })}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (row) => <StateBadge {...stateOf(row)} /> },
          {
            title: t('Rule'),
            cell: (row) => (
              <>
                <Text size="sm">{acquisitionWords(row.acquisition)}</Text>
                <Text size="xs" c="dimmed">
                  {t('by v{{version}}', { version: row.reward_model.version })}
                </Text>
              </>
            ),
          },
          { title: t('Rated'), align: 'right', cell: (row) => t('{{rated}} of {{chosen}}', { rated: number(row.n_rated), chosen: number(row.n_chosen) }) },
          { title: t('Model right, chosen'), cell: (row) => <StatText stat={row.accuracy.chosen} isStacked /> },
          { title: t('Model right, random'), cell: (row) => <StatText stat={row.accuracy.random} isStacked /> },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
      {mayTrain && <StartRound isOpen={isOpen} close={close} />}
    </>
  );
}
