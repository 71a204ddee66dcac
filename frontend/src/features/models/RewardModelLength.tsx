import { Alert, SimpleGrid, Text, Title } from '@mantine/core';
import { StatCard, CountCard } from '@/components/StatValue';
import type { RewardModelDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { numberAt, statAt } from './report';

/** Beyond this, most of what the reward says is how long a text is. It is the default of the promotion rules. */
const STRONG = 0.5;

/** How much of the reward is length. */
export function RewardModelLength({ model: { report } }: { model: RewardModelDetail }) {
  const correlation = numberAt(report, 'length_correlation', 'within_comparison', 'spearman') ?? numberAt(report, 'length_correlation', 'within_comparison');
  const matched = statAt(report, 'length', 'matched');
  const opposed = statAt(report, 'length', 'opposed');
  const agreed = statAt(report, 'length', 'agreed');
  const coefficient = numberAt(report, 'length', 'coefficient') ?? numberAt(report, 'length', 'coefficient', 'value');
  if (correlation === null && !matched && !opposed) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Length')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('People prefer longer texts a little. A reward model may learn that instead of what they value, and a policy will find it out.')}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
        {correlation !== null && (
          <CountCard label={t('Rank correlation of reward gap and difference in length')} value={number(correlation, 2)} hint={t('0: none')} />
        )}
        {matched && <StatCard label={t('Accuracy where lengths match')} stat={matched} />}
        {opposed && <StatCard label={t('… where the shorter is preferred')} stat={opposed} />}
        {agreed && <StatCard label={t('… where the longer is preferred')} stat={agreed} />}
        {coefficient !== null && (
          <CountCard label={t('Excess reward for length')} value={number(coefficient, 2)} hint={t('beyond people’s own')} />
        )}
      </SimpleGrid>
      {correlation !== null && Math.abs(correlation) > STRONG && (
        <Alert color="yellow" mt="sm">
          {t('The reward follows length closely. Train again with a remedy against it, or look at the pairs where lengths match.')}
        </Alert>
      )}
    </section>
  );
}
