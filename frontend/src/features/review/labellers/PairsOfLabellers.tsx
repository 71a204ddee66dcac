import { Group, SegmentedControl, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { CsvButton } from '@/components/CsvButton';
import { HeatMap, type HeatCell } from '@/components/HeatMap';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { Pairs } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';

export type Weights = 'plain' | 'weighted';

/** One pair of labellers, with all that is known of them. */
export function pairCell(pairs: Pairs, slug: string, weights: Weights, row: number, column: number): HeatCell {
  const [one, other] = [pairs.labellers[row], pairs.labellers[column]];
  const names = { one: one?.pseudonym ?? '', other: other?.pseudonym ?? '' };
  const comparisons = t('{{count}} comparisons', { count: pairs.n[row]?.[column] ?? 0 });
  const value = (weights === 'plain' ? pairs.kappa : pairs.weighted)[row]?.[column] ?? null;
  // The interval is that of the plain one.
  const [low, high] = weights === 'plain' ? [pairs.low[row]?.[column] ?? null, pairs.high[row]?.[column] ?? null] : [null, null];
  if (value === null || !one || !other) return { value: null, about: t('{{one}} and {{other}}: {{comparisons}} in common, too few to say', { ...names, comparisons }), to: null };
  const kappa = low === null || high === null ? number(value, 2) : `${number(value, 2)} (${t('{{low}} to {{high}}', { low: number(low, 2), high: number(high, 2) })})`;
  return {
    value,
    about: t('{{one}} and {{other}}: κ {{kappa}}, {{comparisons}} in common', { ...names, kappa, comparisons }),
    to: ratingsOf(slug, { labeller: one.id, with: other.id }),
  };
}

/** Who agrees with whom, beyond chance. */
export function PairsOfLabellers() {
  const { slug } = useProject();
  const [weights, setWeights] = useState<Weights>('plain');
  const pairs = useQuery({
    queryKey: ['projects', slug, 'agreement', 'pairs'],
    queryFn: ({ signal }) => api.get<Pairs>(`projects/${slug}/agreement/pairs`, {}, signal),
  });
  return (
    <section>
      <Group justify="space-between" mb="xs">
        <Title order={2}>{t('Agreement of every two')}</Title>
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label={t('Which κ')}
            value={weights}
            onChange={(value) => setWeights(value as Weights)}
            data={[
              { value: 'plain', label: t('Side') },
              { value: 'weighted', label: t('Side and intensity') },
            ]}
          />
          <CsvButton slug={slug} name="pairs" title={t('Agreement of every two')} />
        </Group>
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Cohen’s κ of the comparisons that both rated, with squared weights for side and intensity; the 40 labellers with the most ratings. A group that agrees within itself only reads the guidelines in its own way.')}
      </Text>
      <Loaded query={pairs} rows={6}>
        {(found) =>
          found.labellers.length < 2 ? (
            <Text c="dimmed">{t('It takes two labellers who rated the same comparisons.')}</Text>
          ) : (
            <HeatMap
              label={t('Agreement of every two')}
              hint={t('Point at a pair, or go through them with the arrow keys. Enter opens the ratings.')}
              names={found.labellers.map(({ pseudonym }) => pseudonym)}
              linkOf={(position) => `/projects/${slug}/labellers/${found.labellers[position]?.id ?? ''}`}
              cell={(row, column) => pairCell(found, slug, weights, row, column)}
            />
          )
        }
      </Loaded>
    </section>
  );
}
