/** Evaluations of a policy run as points over d = √KL, and the curve through them. */

import type { GaoFit, PolicyEvaluation, PolicyRunDetail, PolicySteps } from '@/lib/api/types';
import { locale } from '@/lib/i18n';

/** Of a 95 % interval of the normal distribution. */
const Z = 1.96;

export interface Band {
  value: number;
  low: number;
  high: number;
}

/** A mean with its 95 % interval; null where it was not measured. Without a standard error it has no width. */
export function band(value: number | null, se: number | null): Band | null {
  if (value === null) return null;
  const half = Z * (se ?? 0);
  return { value, low: value - half, high: value + half };
}

export interface GainPoint {
  d: number;
  evaluation: PolicyEvaluation | null;
  proxy: number | null;
  proxyBand: [number, number] | null;
  calibrated: number | null;
  gold: number | null;
  goldBand: [number, number] | null;
  fitted: number | null;
}

const NOTHING = { evaluation: null, proxy: null, proxyBand: null, calibrated: null, gold: null, goldBand: null, fitted: null };

/** Gao et al. (2022): best of n gains d(α − βd), reinforcement learning d(α − β ln d). */
export function predict({ kind, alpha, beta }: Pick<GaoFit, 'kind' | 'alpha' | 'beta'>, d: number): number {
  if (d <= 0) return 0;
  return d * (alpha - beta * (kind === 'rl' ? Math.log(d) : d));
}

/** Evaluations by d, with points of the fitted curve between and a little beyond them. */
export function gainPoints(evaluations: PolicyEvaluation[], fit: GaoFit | null): GainPoint[] {
  const measured = evaluations.map((evaluation): GainPoint => {
    const { d, reward_gain, reward_gain_se, calibrated_gain, gold_gain, gold_gain_se } = evaluation.metrics;
    const [proxy, gold] = [band(reward_gain, reward_gain_se), band(gold_gain, gold_gain_se)];
    return {
      ...NOTHING,
      d,
      evaluation,
      proxy: reward_gain,
      proxyBand: proxy && [proxy.low, proxy.high],
      calibrated: calibrated_gain,
      gold: gold_gain,
      goldBand: gold && [gold.low, gold.high],
      fitted: fit ? predict(fit, d) : null,
    };
  });
  const curve = fit ? fitted(fit, furthest(evaluations, fit)) : [];
  return [...measured, ...curve.map((point) => ({ ...NOTHING, ...point }))].sort((one, other) => one.d - other.d);
}

/** Points of the curve from 0 to `most`. */
export function fitted(fit: GaoFit, most: number, n = 48): { d: number; fitted: number }[] {
  if (most <= 0) return [];
  return Array.from({ length: n + 1 }, (_, i) => (most * i) / n).map((d) => ({ d, fitted: predict(fit, d) }));
}

/** The end of the axis: past the last evaluation, and to the predicted peak where that is not far off. */
export function furthest(evaluations: PolicyEvaluation[], fit: GaoFit | null): number {
  const last = Math.max(0, ...evaluations.map(({ metrics }) => metrics.d));
  const peak = fit?.peak_d ?? 0;
  return peak > last && peak <= 2 * last ? peak * 1.05 : last * 1.05;
}

export interface Best {
  evaluation: PolicyEvaluation;
  /** Whether it is settled, the run being over. */
  isKept: boolean;
}

/** The evaluation of the policy that is kept; while the run goes on the best so far, by gold or else by people. */
export function bestOf({ report }: Pick<PolicyRunDetail, 'report'>, evaluations: PolicyEvaluation[]): Best | null {
  const step = report.best_step ?? report.decision?.best_step ?? report.people?.best_step;
  const evaluation = evaluations.find((one) => one.step === step);
  return evaluation ? { evaluation, isKept: report.best_step !== null } : null;
}

export interface StepPoint {
  step: number;
  [column: string]: number | [number, number] | null;
}

const value = (row: StepPoint, column: string) => {
  const found = row[column];
  return typeof found === 'number' ? found : null;
};

/** Rows of numbers as points by name, each with the range of the rewards of its completions (one standard deviation). */
export function stepPoints({ columns, rows }: PolicySteps): StepPoint[] {
  return rows.map((row) => {
    const point = Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null])) as StepPoint;
    const [mean, std] = [value(point, 'raw_reward'), value(point, 'reward_std')];
    return { ...point, spread: mean === null || std === null ? null : [mean - std, mean + std] };
  });
}

/** The points with what evaluations measured at theirs, under the name `as`; each step has one point. */
export function withEvaluations(points: StepPoint[], evaluations: PolicyEvaluation[], as: string, of: (metrics: PolicyEvaluation['metrics']) => number | null): StepPoint[] {
  const byStep = new Map(points.map((point) => [point.step, point]));
  for (const { step, metrics } of evaluations) byStep.set(step, { ...(byStep.get(step) ?? { step }), [as]: of(metrics) });
  return [...byStep.values()].sort((one, other) => one.step - other.step);
}

/** At most `most` of the rows, evenly, the last one among them. */
export function thinned<T>(rows: T[], most: number): T[] {
  if (rows.length <= most) return rows;
  const each = (rows.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => rows[Math.round(i * each)]).filter((row) => row !== undefined);
}

/** A number beside an axis: as short as it can be. */
export const tick = (value: number) => value.toLocaleString(locale(), { maximumSignificantDigits: 3 });

/** An axis from 0 that reaches at least `end`, with its ticks at round numbers. */
export function axisTo(end: number): { domain: [number, number]; ticks: number[] } {
  const least = (end > 0 ? end : 1) / 6;
  const size = 10 ** Math.floor(Math.log10(least));
  const step = size * ([1, 2, 2.5, 5, 10].find((one) => one * size >= least * (1 - 1e-9)) ?? 10);
  const n = Math.ceil(end / step - 1e-9) || 1;
  return { domain: [0, n * step], ticks: Array.from({ length: n + 1 }, (_, i) => Number((i * step).toPrecision(12))) };
}
