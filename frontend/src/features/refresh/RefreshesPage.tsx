import { Anchor, Button, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconCalendarClock, IconChartLine, IconPlayerPlay } from '@tabler/icons-react';
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
import { triggersOf } from './schedule';
import { useSchedule } from './SchedulePage';
import { MODEL_COLOURS, REFRESH_COLOURS, triggerWords } from './stages';
import { StartRefresh } from './StartRefresh';

export function RefreshesPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const [isOpen, { open, close }] = useDisclosure();
  const refreshes = usePages<RefreshCycle>(['projects', slug, 'refreshes'], `projects/${slug}/refreshes`, {}, 5_000);
  const schedule = useSchedule().data;
  const triggers = schedule?.is_enabled ? triggersOf(schedule) : '';
  const start = mayTrain && (
    <Button leftSection={<IconPlayerPlay size={16} />} onClick={open}>
      {t('Start a refresh')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('Refresh')}
        description={
          <>
            {t('Asks where labels teach most, waits for them, and trains, measures and serves the next reward model.')}
            {triggers && <Text size="sm">{t('Starts by itself: {{triggers}}.', { triggers })}</Text>}
          </>
        }
        actions={
          <>
            <Button variant="default" component={Link} to={`/projects/${slug}/refreshes/timeline`} leftSection={<IconChartLine size={16} aria-hidden />}>
              {t('Timeline')}
            </Button>
            <Button variant="default" component={Link} to={`/projects/${slug}/refreshes/schedule`} leftSection={<IconCalendarClock size={16} aria-hidden />}>
              {t('Schedule')}
            </Button>
            {start}
          </>
        }
      />
      <PagedTable
        label={t('Refreshes')}
        query={refreshes}
        minWidth={720}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No refresh yet')} action={start}>
            {mayTrain
              ? t('The first one trains a reward model on the ratings there are. Later ones also look for drift and ask for the labels that teach most.')
              : t('Researchers start them: each trains a reward model on the ratings there are.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Refresh'),
            cell: (row) => (
              <>
                <Anchor component={Link} to={`/projects/${slug}/refreshes/${row.id}`}>
                  {row.number}
                  {row.name && ` · ${row.name}`}
                </Anchor>
                <Text size="xs" c="dimmed">
                  {triggerWords(row)}
                </Text>
              </>
            ),
          },
          { title: t('State'), cell: (row) => <StateBadge state={row.state} colour={REFRESH_COLOURS[row.state]} /> },
          {
            title: t('Reward model'),
            cell: (row) =>
              row.reward_model ? (
                <Stack gap={4} align="flex-start">
                  <Anchor component={Link} to={`/projects/${slug}/reward-models/${row.reward_model.id}`}>
                    v{row.reward_model.version}
                  </Anchor>
                  <StateBadge state={row.reward_model.state} colour={MODEL_COLOURS[row.reward_model.state]} />
                </Stack>
              ) : (
                <Text c="dimmed">–</Text>
              ),
          },
          {
            title: t('Held-out accuracy'),
            cell: (row) => (row.reward_model ? <StatText stat={row.reward_model.metrics.accuracy} isStacked /> : '–'),
          },
          { title: t('Took'), align: 'right', cell: (row) => duration(row.created_at, row.finished_at) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
      {mayTrain && <StartRefresh isOpen={isOpen} close={close} />}
    </>
  );
}
