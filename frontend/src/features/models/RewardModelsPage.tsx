import { Anchor, Button, Text } from '@mantine/core';
import { Link } from 'react-router';
import { Filled } from '@/components/Filled';
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
import { useMay, useProject } from '@/lib/session';
import { RollBack } from './ChangeState';
import { PromotionRulesButton } from './PromotionRulesDialog';
import { STATE_COLOURS } from './states';

export function RewardModelsPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const models = usePages<RewardModel>(['projects', slug, 'reward-models'], `projects/${slug}/reward-models`, {}, 10_000);
  const hasEarlier = models.rows?.some(({ promotion_rank }) => promotion_rank === 2);
  return (
    <>
      <PageHeader
        title={t('Reward models')}
        description={t('Trained on this project’s ratings. The promoted one is served and chooses what to ask next.')}
        actions={
          <>
            <PromotionRulesButton />
            <Button component={Link} to={`/projects/${slug}/reward-models/compare`} variant="default">
              {t('Compare')}
            </Button>
            <Button component={Link} to={`/projects/${slug}/comparison-sets`} variant="default">
              {t('Comparison sets')}
            </Button>
            {mayTrain && hasEarlier && <RollBack />}
            {mayTrain && (
              <Button component={Link} to={`/projects/${slug}/reward-models/new`}>
                {t('Train a reward model')}
              </Button>
            )}
          </>
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
            {t('A refresh trains one on the ratings there are; you may also train one on a comparison set.')}
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
          {
            title: t('State'),
            cell: (model) => (
              <>
                <StateBadge state={model.state} colour={STATE_COLOURS[model.state]} />
                <Text size="xs" c="dimmed">
                  {model.promoted_at ? (
                    <Filled text={t('promoted {{when}}')} when={<TimeAgo at={model.promoted_at} />} />
                  ) : (
                    model.blocks.length > 0 && t('the rules are against it')
                  )}
                </Text>
              </>
            ),
          },
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
