import { CompositeChart } from '@mantine/charts';
import { Paper, Text } from '@mantine/core';
import { ReferenceArea } from 'recharts';
import { ChartFrame, type ChartColumn } from '@/components/charts/ChartFrame';
import type { GaoFit, PolicyEvaluation, PolicyRunDetail, WinRate } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { axisTo, band, bestOf, fitted, furthest, gainPoints, tick, type Band, type GainPoint } from './curve';
import { Legend, type LegendLine } from './Legend';
import classes from './Policies.module.css';

const PROXY: LegendLine = { label: t('reward model (proxy)'), color: 'var(--line-proxy)' };
const GOLD: LegendLine = { label: t('gold model'), color: 'var(--line-gold)', dashes: '8 3' };
const CALIBRATED: LegendLine = { label: t('proxy without length'), color: 'var(--line-calibrated)', dashes: '2 4' };
const FIT: LegendLine = { label: t('gold, fitted'), color: 'var(--line-fit)', dashes: '5 3' };

/** Gains over the reference by distance from it: what the reward model claims, and what a better judge says. */
export function GainChart({ run, evaluations }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[] }) {
  const fit = run.report.fit_of === 'gold' ? run.report.fit : null;
  const best = bestOf(run, evaluations);
  const points = gainPoints(evaluations, fit);
  const hasGold = evaluations.some(({ metrics }) => metrics.gold_gain !== null);
  const hasCalibrated = evaluations.some(({ metrics }) => metrics.calibrated_gain !== null);
  const lines = [PROXY, hasCalibrated && CALIBRATED, hasGold && GOLD, fit && FIT].filter((line) => !!line);
  const end = furthest(evaluations, fit);
  // A label stays inside at the right edge.
  const side = (d: number) => (d > 0.75 * end ? 'Right' : 'Left');
  const axis = axisTo(end);
  const peak = fit?.peak_d != null && fit.peak_d <= end ? fit.peak_d : null;
  return (
    <ChartFrame
      title={t('Gain over the reference by distance')}
      description={
        <>
          {t('Rewards of the policy less those of the reference to the same prompts of the probe set, by d = √KL (KL in nats). Bands are 95 % intervals.')}{' '}
          {fit ? fitWords(fit, (gain) => number(gain, 2)) : hasGold && t('The curve of Gao et al. is fitted once there are enough evaluations with gold.')}
          {!hasGold && t('Without a gold model only people can say whether it got better: ask them below.')}
        </>
      }
      chart={
        <div className={classes.lines}>
          <Legend lines={lines} />
          <CompositeChart
            h={320}
            data={points}
            dataKey="d"
            curveType="linear"
            connectNulls
            series={[
              { name: 'proxyBand', type: 'area', color: PROXY.color },
              ...(hasGold ? [{ name: 'goldBand', type: 'area' as const, color: GOLD.color }] : []),
              { name: 'proxy', type: 'line', color: PROXY.color },
              ...(hasCalibrated ? [{ name: 'calibrated', type: 'line' as const, color: CALIBRATED.color, strokeDasharray: CALIBRATED.dashes }] : []),
              ...(hasGold ? [{ name: 'gold', type: 'line' as const, color: GOLD.color, strokeDasharray: GOLD.dashes }] : []),
              ...(fit ? [{ name: 'fitted', type: 'line' as const, color: FIT.color, strokeDasharray: FIT.dashes }] : []),
            ]}
            areaProps={{ fillOpacity: 0.18, strokeWidth: 0, dot: false, activeDot: false, isAnimationActive: false }}
            lineProps={({ name, color }) => ({
              strokeWidth: name === 'proxy' || name === 'gold' ? 2.5 : 1.5,
              dot: name === 'fitted' ? false : { r: 3, fill: color, strokeDasharray: '' },
              activeDot: false,
              isAnimationActive: false,
            })}
            xAxisLabel={t('d = √KL')}
            yAxisLabel={t('gain in reward')}
            xAxisProps={{ type: 'number', ...axis, tickFormatter: tick }}
            yAxisProps={{ domain: ['auto', 'auto'], tickFormatter: tick, width: 64 }}
            referenceLines={[
              { y: 0, label: t('reference'), labelPosition: 'insideTopRight', color: 'var(--chart-mark)', strokeDasharray: '2 4' },
              ...(best ? [{ x: best.evaluation.metrics.d, label: best.isKept ? t('kept') : t('best so far'), labelPosition: `insideTop${side(best.evaluation.metrics.d)}` as const, color: 'var(--line-proxy)' }] : []),
              ...(peak !== null
                ? [{ x: peak, label: t('predicted peak'), labelPosition: `insideBottom${side(peak)}` as const, color: 'var(--line-fit)', strokeDasharray: '4 3' }]
                : []),
            ]}
            tooltipProps={{
              content: ({ payload }) => {
                const found = payload?.[0]?.payload as GainPoint | undefined;
                return found?.evaluation && <Hint evaluation={found.evaluation} fitted={found.fitted} />;
              },
            }}
            composedChartProps={{ accessibilityLayer: false }}
          >
            {peakArea(fit, axis.domain[1])}
          </CompositeChart>
        </div>
      }
      rows={evaluations}
      rowKey={({ step }) => step}
      columns={[
        { title: t('Updates'), align: 'right', text: ({ step }) => number(step) },
        { title: t('d = √KL'), align: 'right', text: ({ metrics }) => number(metrics.d, 2) },
        { title: t('Gain by the reward model'), align: 'right', text: ({ metrics }) => bandText(proxyOf(metrics)) },
        ...(hasCalibrated
          ? [{ title: t('Without length'), align: 'right', text: ({ metrics }) => number(metrics.calibrated_gain, 2) } satisfies ChartColumn<PolicyEvaluation>]
          : []),
        ...(hasGold
          ? [{ title: t('Gain by gold'), align: 'right', text: ({ metrics }) => bandText(goldOf(metrics)) } satisfies ChartColumn<PolicyEvaluation>]
          : []),
      ]}
      empty={t('Not evaluated yet.')}
    />
  );
}

/** Where the peak may be, as far as the axis goes. */
function peakArea(fit: GaoFit | null, end: number) {
  if (!fit?.peak_d_interval || fit.peak_d_interval[0] >= end) return null;
  const [low, high] = fit.peak_d_interval;
  return <ReferenceArea x1={low} x2={Math.min(high ?? end, end)} fill="var(--line-fit)" fillOpacity={0.1} />;
}

type Metrics = PolicyEvaluation['metrics'];
const proxyOf = ({ reward_gain, reward_gain_se }: Metrics) => band(reward_gain, reward_gain_se);
const goldOf = ({ gold_gain, gold_gain_se }: Metrics) => band(gold_gain, gold_gain_se);

/** "1.20 (0.90 to 1.50)". */
function bandText(found: Band | null): string {
  if (!found) return '–';
  const value = number(found.value, 2);
  return found.low === found.high ? value : `${value} (${t('{{low}} to {{high}}', { low: number(found.low, 2), high: number(found.high, 2) })})`;
}

/** What the fitted curve predicts, in a sentence. */
function fitWords({ kind, peak_d, peak_d_interval, peak_gold, n }: GaoFit, show: (gain: number | null) => string): string {
  const form = kind === 'rl' ? 'd(α − β ln d)' : 'd(α − βd)';
  const through = t('Fitted through {{count}} of them: {{form}}.', { count: n, form });
  if (peak_d === null) return `${through} ${t('No peak is in sight yet.')}`;
  const low = peak_d_interval && number(peak_d_interval[0], 1);
  const high = peak_d_interval && (peak_d_interval[1] === null ? t('no end') : number(peak_d_interval[1], 1));
  const values = { d: number(peak_d, 1), gain: show(peak_gold) };
  return `${through} ${
    low && high
      ? t('It predicts the peak at d = {{d}} ({{low}} to {{high}}, in grey), a gain of {{gain}}.', { ...values, low, high })
      : t('It predicts the peak at d = {{d}}, a gain of {{gain}}.', values)
  }`;
}

function Hint({ evaluation: { step, metrics }, fitted }: { evaluation: PolicyEvaluation; fitted: number | null }) {
  const gold = goldOf(metrics);
  return (
    <Paper withBorder shadow="sm" p="xs" radius="md">
      <Text size="sm" fw={600}>
        {t('After {{count}} updates, KL {{kl}} nats', { count: step, kl: number(metrics.kl, 1) })}
      </Text>
      <Text size="sm">
        {PROXY.label} {bandText(proxyOf(metrics))}
      </Text>
      {metrics.calibrated_gain !== null && (
        <Text size="sm">
          {CALIBRATED.label} {number(metrics.calibrated_gain, 2)}
        </Text>
      )}
      {gold && (
        <Text size="sm">
          {GOLD.label} {bandText(gold)}
        </Text>
      )}
      {fitted !== null && (
        <Text size="sm">
          {FIT.label} {number(fitted, 2)}
        </Text>
      )}
    </Paper>
  );
}

interface Rated {
  d: number;
  step: number;
  rate: number;
  interval: [number, number] | null;
  claimed: number;
  win: WinRate;
}

/** Evaluations that people have judged, by d. */
function rated(evaluations: PolicyEvaluation[]): Rated[] {
  return evaluations
    .flatMap(({ step, metrics, win_rate: win }) =>
      win && win.rate !== null
        ? [{ d: metrics.d, step, rate: win.rate, interval: win.low !== null && win.high !== null ? ([win.low, win.high] as [number, number]) : null, claimed: win.claimed, win }]
        : [],
    )
    .sort((one, other) => one.d - other.d);
}

const PEOPLE: LegendLine = { label: t('people'), color: 'var(--line-gold)', dashes: '8 3' };
const CLAIM: LegendLine = { label: t('what the reward model claims'), color: 'var(--line-proxy)' };
const PEOPLE_FIT: LegendLine = { ...FIT, label: t('people, fitted') };

/** How often people prefer the policy, beside how often the reward model says they would. Nothing where nobody has said. */
export function WinRateChart({ run, evaluations }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[] }) {
  const rows = rated(evaluations);
  if (rows.length === 0) return null;
  const fit = run.report.fit_of === 'people' ? run.report.fit : null;
  const axis = axisTo(furthest(evaluations, fit));
  // The fit is of win rates less one half.
  const curve = fit ? fitted(fit, furthest(evaluations, fit)).map(({ d, fitted: gain }) => ({ d, fitted: 0.5 + gain })) : [];
  const points = [...rows, ...curve].sort((one, other) => one.d - other.d);
  return (
    <ChartFrame
      title={t('Preferred to the reference')}
      description={
        <>
          {t('How often labellers choose the policy’s completion without knowing whose it is, ties half, with 95 % intervals. Where the claim leaves the band, the reward model is being fooled.')}{' '}
          {fit && fitWords(fit, (gain) => t('{{share}} over one half', { share: percent(gain) }))}
        </>
      }
      chart={
        <div className={classes.lines}>
          <Legend lines={[PEOPLE, CLAIM, ...(fit ? [PEOPLE_FIT] : [])]} />
          <CompositeChart
            h={240}
            data={points}
            dataKey="d"
            curveType="linear"
            connectNulls
            series={[
              { name: 'interval', type: 'area', color: PEOPLE.color },
              { name: 'rate', type: 'line', color: PEOPLE.color, strokeDasharray: PEOPLE.dashes },
              { name: 'claimed', type: 'line', color: CLAIM.color },
              ...(fit ? [{ name: 'fitted', type: 'line' as const, color: PEOPLE_FIT.color, strokeDasharray: PEOPLE_FIT.dashes }] : []),
            ]}
            areaProps={{ fillOpacity: 0.18, strokeWidth: 0, dot: false, activeDot: false, isAnimationActive: false }}
            lineProps={({ name, color }) => ({
              strokeWidth: name === 'fitted' ? 1.5 : 2.5,
              dot: name === 'fitted' ? false : { r: 3, fill: color, strokeDasharray: '' },
              activeDot: false,
              isAnimationActive: false,
            })}
            xAxisLabel={t('d = √KL')}
            yAxisLabel={t('share preferred')}
            xAxisProps={{ type: 'number', ...axis, tickFormatter: tick }}
            yAxisProps={{ domain: [0, 1], allowDataOverflow: true, tickFormatter: (share: number) => percent(share, 0), width: 64 }}
            referenceLines={[{ y: 0.5, label: t('as good as the reference'), labelPosition: 'insideBottomLeft', color: 'var(--chart-mark)', strokeDasharray: '2 4' }]}
            tooltipProps={{
              content: ({ payload }) => {
                const found = payload?.[0]?.payload as Partial<Rated> | undefined;
                return (
                  found?.win && (
                    <Paper withBorder shadow="sm" p="xs" radius="md">
                      <Text size="sm" fw={600}>
                        {t('After {{count}} updates, d = {{d}}', { count: found.step ?? 0, d: number(found.d, 1) })}
                      </Text>
                      <Text size="sm">
                        {PEOPLE.label} {winText(found.win)}
                      </Text>
                      <Text size="sm">
                        {CLAIM.label} {percent(found.claimed)}
                      </Text>
                    </Paper>
                  )
                );
              },
            }}
            composedChartProps={{ accessibilityLayer: false }}
          >
            {peakArea(fit, axis.domain[1])}
          </CompositeChart>
        </div>
      }
      rows={rows}
      rowKey={({ step }) => step}
      columns={[
        { title: t('Updates'), align: 'right', text: ({ step }) => number(step) },
        { title: t('d = √KL'), align: 'right', text: ({ d }) => number(d, 2) },
        { title: t('Preferred by people'), align: 'right', text: ({ win }) => winText(win) },
        { title: t('Claimed by the reward model'), align: 'right', text: ({ claimed }) => percent(claimed) },
      ]}
      empty={t('Nobody has judged yet.')}
    />
  );
}

/** "61.0 % (44.0 % to 75.0 %), n = 30". */
export function winText({ rate, low, high, n }: WinRate): string {
  if (rate === null) return '–';
  const range = low === null || high === null ? '' : ` (${t('{{low}} to {{high}}', { low: percent(low), high: percent(high) })})`;
  return `${percent(rate)}${range}, n = ${number(n)}`;
}
