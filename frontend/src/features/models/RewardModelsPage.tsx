import { Anchor, Button, Text } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import type { RewardModel } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { STATE_COLOURS } from './states';

export function RewardModelsPage() {
  const { slug } = useProject();
  const models = usePages<RewardModel>(['projects', slug, 'reward-models'], `projects/${slug}/reward-models`, {}, 10_000);
  return (
    <>
      <PageHeader
        title={t('Reward models')}
        description={t('Trained on this project’s ratings. The promoted one is served and chooses what to ask next.')}
        actions={
          <Button component={Link} to={`/projects/${slug}/comparison-sets`} variant="default">
            {t('Comparison sets')}
          </Button>
        }
      />
      <PagedTable
        label={t('Reward models')}
        query={models}
        rowKey={(model) => model.id}
        empty={
          <EmptyState
            title={t('No reward model yet')}
            action={
              <Button component={Link} to={`/projects/${slug}/refreshes`}>
                {t('To Refresh')}
              </Button>
            }
          >
            {t('A refresh trains one on the ratings there are.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Version'),
            cell: (model) => (
              <Anchor component={Link} to={`/projects/${slug}/reward-models/${model.id}`} fw={600}>
                v{model.version}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (model) => <StateBadge state={model.state} colour={STATE_COLOURS[model.state]} /> },
          { title: t('Held-out accuracy'), cell: (model) => <StatText stat={model.metrics.accuracy} /> },
          {
            title: t('“Longer” · “always a”'),
            cell: ({ metrics }) => (
              <Text span c="dimmed">
                {percent(metrics.baselines.longer.value)} · {percent(metrics.baselines.always_a.value)}
              </Text>
            ),
          },
          { title: 'n', align: 'right', cell: (model) => model.metrics.n_test || '–' },
          {
            title: t('Base model'),
            cell: (model) => (
              <Text span lineClamp={1} maw={200} title={model.base_model}>
                {model.base_model}
              </Text>
            ),
          },
          { title: t('Made'), cell: (model) => <TimeAgo at={model.created_at} /> },
        ]}
      />
    </>
  );
}
