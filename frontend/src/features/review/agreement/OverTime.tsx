import { SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { ChartFrame } from '@/components/charts/ChartFrame';
import { IntervalChart } from '@/components/charts/IntervalChart';
import { CsvButton } from '@/components/CsvButton';
import { rangeOf } from '@/components/StatValue';
import type { Agreement, AgreementWeek, Stat } from '@/lib/api/types';
import { day, daysAfter, number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';

const alphaText = (value: number | null) => number(value, 2);

function withRange(stat: Stat, style: 'percent' | 'number'): string {
  if (stat.value === null) return stat.too_few ? t('too few') : t('undefined');
  const range = rangeOf(stat, style);
  return `${style === 'percent' ? percent(stat.value) : number(stat.value, 3)}${range && ` (${range})`}`;
}

/** α or disagreement by week, with the versions of the guidelines marked. */
export function OverTime({ found }: { found: Agreement }) {
  const { slug } = useProject();
  const [measure, setMeasure] = useState<'alpha' | 'disagreement'>('alpha');
  const isAlpha = measure === 'alpha';
  const rows = found.over_time;
  const lowest = Math.min(0, ...rows.map(({ alpha }) => (alpha.too_few ? 0 : (alpha.low ?? alpha.value ?? 0))));
  const behind = ({ week }: AgreementWeek) => ratingsOf(slug, { from: week, to: daysAfter(week, 6) });
  return (
    <ChartFrame
      title={t('Agreement over time')}
      description={t('By week, with 95 % intervals; weeks with too few comparisons rated twice are left open. Broken lines: versions of the guidelines.')}
      actions={
        <>
          <SegmentedControl
            size="xs"
            aria-label={t('Which figure')}
            value={measure}
            onChange={(value) => setMeasure(value as typeof measure)}
            data={[
              { value: 'alpha', label: t('α, nominal') },
              { value: 'disagreement', label: t('Disagreement') },
            ]}
          />
          <CsvButton slug={slug} name="agreement-over-time" title={t('Agreement over time')} />
        </>
      }
      chart={
        <IntervalChart
          height={260}
          label={isAlpha ? t('α, nominal') : t('Disagreement')}
          rows={rows.map((row) => ({ at: row.week, stat: row[measure] }))}
          marks={found.versions.flatMap(({ number: version, published_at }) =>
            published_at ? [{ at: published_at.slice(0, 10), label: t('v{{version}}', { version }) }] : [],
          )}
          limit={isAlpha ? undefined : { value: found.disagreement.limit, label: t('limit') }}
          domain={isAlpha ? [Math.floor(lowest * 5) / 5, 1] : [0, 1]}
          show={isAlpha ? alphaText : (value) => percent(value, 0)}
        />
      }
      rows={rows.toReversed()}
      rowKey={({ week }) => week}
      columns={[
        { title: t('Week from'), text: ({ week }) => day(week) },
        { title: t('Ratings'), text: ({ n_ratings }) => number(n_ratings), to: behind, align: 'right' },
        { title: t('α, nominal'), text: ({ alpha }) => withRange(alpha, 'number') },
        { title: t('Disagreement'), text: ({ disagreement }) => withRange(disagreement, 'percent') },
      ]}
      empty={t('Nothing to show yet: it takes weeks in which comparisons were rated twice.')}
    />
  );
}
