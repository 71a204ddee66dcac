import { Anchor, Button, List, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { Filled } from '@/components/Filled';
import { TimeAgo } from '@/components/TimeAgo';
import type { RewardModelDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';
import { continuedFrom, replayed } from './report';

/** From the model down to its ratings, guidelines and labellers, and up to what was made by it. */
export function RewardModelLineage({ model }: { model: RewardModelDetail }) {
  const { slug } = useProject();
  const { comparison_set, n_comparisons, n_ratings, n_labellers, labellers, guidelines, guideline_versions, base_models, refresh, sampling_rounds, policies } =
    model.lineage;
  const start = continuedFrom(model.config);
  const replay = replayed(model.report);
  const versions = guidelines.length > 0 ? guidelines : guideline_versions.map((version) => ({ number: version, n_comparisons: null }));
  return (
    <section aria-labelledby="lineage">
      <Title order={2} size="h4" mb="xs" id="lineage">
        {t('Where it comes from')}
      </Title>
      <List spacing={4}>
        <List.Item>
          <Anchor underline="always" component={Link} to={`/projects/${slug}/comparison-sets/${comparison_set.id}`}>
            {t('Comparison set {{number}}', { number: comparison_set.number })}
          </Anchor>
          :{' '}
          {t('{{comparisons}}, {{ratings}} by {{labellers}}', {
            comparisons: t('{{count}} comparisons', { count: n_comparisons }),
            ratings: t('{{count}} ratings', { count: n_ratings }),
            labellers: t('{{count}} labellers', { count: n_labellers }),
          })}
        </List.Item>
        {versions.map((version) => (
          <List.Item key={version.number}>
            <Anchor underline="always" component={Link} to={`/projects/${slug}/guidelines`}>
              {t('Guidelines v{{version}}', { version: version.number })}
            </Anchor>
            {version.n_comparisons !== null && `: ${t('{{count}} comparisons', { count: version.n_comparisons })}`}{' '}
            <Anchor underline="always" component={Link} to={ratingsOf(slug, { version: version.number })} size="sm">
              {t('their ratings')}
            </Anchor>
          </List.Item>
        ))}
        {labellers.length > 0 && (
          <List.Item>
            {t('Labellers')}:{' '}
            {labellers.map(({ id, name, n_ratings: n }, position) => (
              <span key={name}>
                {position > 0 && ', '}
                {id === null ? (
                  name
                ) : (
                  <Anchor underline="always" component={Link} to={ratingsOf(slug, { labeller: id })}>
                    {name}
                  </Anchor>
                )}{' '}
                <Text span c="dimmed" size="sm">
                  {number(n)}
                </Text>
              </span>
            ))}
          </List.Item>
        )}
        {base_models.length > 0 ? (
          base_models.map((base) => (
            <List.Item key={base.name}>
              {base.kind === 'sft' ? t('SFT model') : t('Base model')} {base.name}
            </List.Item>
          ))
        ) : (
          <List.Item>
            {t('Base model')} {model.base_model}
          </List.Item>
        )}
        {start && (
          <List.Item>
            <Filled
              text={t('Continued from {{model}}')}
              model={
                <Anchor underline="always" component={Link} to={`/projects/${slug}/reward-models/${start.id}`}>
                  {t('Reward model v{{version}}', { version: start.version })}
                </Anchor>
              }
            />
            {replay && `: ${t('{{new}} new comparisons, {{again}} of {{earlier}} earlier ones seen again', replay)}`}
          </List.Item>
        )}
        {refresh && (
          <List.Item>
            <Anchor underline="always" component={Link} to={`/projects/${slug}/refreshes/${refresh.id}`}>
              {t('Refresh {{number}}', { number: refresh.number })}
            </Anchor>
          </List.Item>
        )}
        <List.Item>
          <Filled text={t('Made {{when}}')} when={<TimeAgo at={model.created_at} />} />
        </List.Item>
      </List>
      {(sampling_rounds.length > 0 || policies.length > 0) && (
        <>
          <Title order={3} size="h5" mt="sm" mb={4}>
            {t('What was made by it')}
          </Title>
          <List spacing={4}>
            {sampling_rounds.map((round) => (
              <List.Item key={round.id}>
                <Filled
                  text={t('Chose {{round}}')}
                  round={
                    <Anchor underline="always" component={Link} to={`/projects/${slug}/sampling-rounds/${round.id}`}>
                      {t('sampling round {{number}}', { number: round.number })}
                    </Anchor>
                  }
                />
              </List.Item>
            ))}
            {policies.map((policy) => (
              <List.Item key={policy.id}>
                {t('Policy {{name}}', { name: policy.name })}, <TimeAgo at={policy.created_at} />
              </List.Item>
            ))}
          </List>
        </>
      )}
      {model.job && (
        <Button component={Link} to={`/projects/${slug}/jobs/${model.job.id}`} variant="subtle" size="compact-sm" mt="xs">
          {t('Its job and log')}
        </Button>
      )}
    </section>
  );
}

/** Each time that the model was put into use, and what was overridden. */
export function Promotions({ model: { promotions } }: { model: RewardModelDetail }) {
  if (promotions.length === 0) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Promotions')}
      </Title>
      <List spacing={4}>
        {promotions.map((one) => (
          <List.Item key={one.promoted_at}>
            <Filled
              text={one.is_roll_back ? t('Rolled back to {{when}} by {{who}}') : t('Promoted {{when}} by {{who}}')}
              when={<TimeAgo at={one.promoted_at} />}
              who={one.actor ?? t('the rules')}
            />
            {one.replaced !== null && `, ${t('after v{{version}}', { version: one.replaced })}`}: {one.reason}
            {one.is_forced && (
              <Text size="sm" c="dimmed">
                {t('Against the rules:')} {one.blocks.map(({ message }) => message).join(' ')}
              </Text>
            )}
          </List.Item>
        ))}
      </List>
    </section>
  );
}
