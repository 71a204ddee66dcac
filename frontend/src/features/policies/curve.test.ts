import { expect, it } from 'vitest';
import type { GaoFit, PolicyEvaluation, PolicyMetrics } from '@/lib/api/types';
import { axisTo, band, bestOf, furthest, gainPoints, predict, stepPoints, thinned, tick, withEvaluations } from './curve';

const evaluation = (step: number, metrics: Partial<PolicyMetrics>): PolicyEvaluation => ({
  step,
  human_kl: null,
  n_comparisons: 0,
  has_model: false, n_samples: 8,
  metrics: { kl: 0, d: 0, reward_gain: 0, reward_gain_se: 0, calibrated_gain: null, gold_gain: null, gold_gain_se: null, ...metrics } as PolicyMetrics,
  win_rate: null,
});

const fit = (changes: Partial<GaoFit> = {}): GaoFit => ({
  kind: 'rl', alpha: 1, beta: 0.5, alpha_interval: null, beta_interval: null, peak_d: Math.E, peak_d_interval: null, peak_gold: Math.E / 2, r2: 1, n: 5, ...changes,
});

it('predicts by the form of the curve, with nothing gained at the start', () => {
  expect(predict(fit(), 0)).toBe(0);
  expect(predict(fit(), Math.E)).toBeCloseTo(Math.E / 2);
  expect(predict(fit({ kind: 'best_of_n' }), 1)).toBeCloseTo(0.5);
  // d* = α / 2β is the top of best of n.
  const top = predict(fit({ kind: 'best_of_n' }), 1);
  expect(top).toBeGreaterThan(predict(fit({ kind: 'best_of_n' }), 0.9));
  expect(top).toBeGreaterThan(predict(fit({ kind: 'best_of_n' }), 1.1));
});

it('gives a mean its interval, and none to what was not measured', () => {
  expect(band(1, 0.5)).toEqual({ value: 1, low: 1 - 0.98, high: 1 + 0.98 });
  expect(band(1, null)).toEqual({ value: 1, low: 1, high: 1 });
  expect(band(null, 0.5)).toBeNull();
});

it('has evaluations in the order of distance, and the curve between them', () => {
  const found = gainPoints([evaluation(0, {}), evaluation(20, { d: 2, gold_gain: 1, gold_gain_se: 0.1 }), evaluation(40, { d: 1 })], fit());
  expect(found.map(({ d }) => d)).toEqual(found.map(({ d }) => d).toSorted((a, b) => a - b));
  expect(found.filter((one) => one.evaluation).map((one) => one.evaluation?.step)).toEqual([0, 40, 20]);
  const last = found.findLast((one) => one.evaluation);
  expect(last?.goldBand?.[0]).toBeCloseTo(1 - 0.196);
  expect(last?.fitted).toBeCloseTo(predict(fit(), 2));
  expect(found.length).toBeGreaterThan(40);
  expect(gainPoints([evaluation(0, {})], null)).toHaveLength(1);
});

it('reaches to a peak that is near, not to one that is far off', () => {
  const evaluations = [evaluation(0, {}), evaluation(20, { d: 2 })];
  expect(furthest(evaluations, null)).toBeCloseTo(2.1);
  expect(furthest(evaluations, fit({ peak_d: 3 }))).toBeCloseTo(3.15);
  expect(furthest(evaluations, fit({ peak_d: 300 }))).toBeCloseTo(2.1);
});

it('marks what is kept, and before that the best so far by gold or people', () => {
  const evaluations = [evaluation(0, {}), evaluation(20, {}), evaluation(40, {})];
  const decided = (best_step: number) => ({ stop: false, reason: '', message: '', best_step });
  const nothing = { fit: null, fit_of: null, decision: null, people: null, best_step: null, last_step: null };
  expect(bestOf({ report: nothing }, evaluations)).toBeNull();
  expect(bestOf({ report: { ...nothing, people: decided(20) } }, evaluations)).toEqual({ evaluation: evaluations[1], isKept: false });
  expect(bestOf({ report: { ...nothing, decision: decided(40), people: decided(20) } }, evaluations)?.evaluation.step).toBe(40);
  expect(bestOf({ report: { ...nothing, decision: decided(40), best_step: 0 } }, evaluations)).toEqual({ evaluation: evaluations[0], isKept: true });
});

it('names the columns of steps, with the spread of rewards where both numbers are there', () => {
  const points = stepPoints({ columns: ['step', 'raw_reward', 'reward_std'], rows: [[1, 2, 0.5], [2, null, 0.5]] });
  expect(points).toEqual([
    { step: 1, raw_reward: 2, reward_std: 0.5, spread: [1.5, 2.5] },
    { step: 2, raw_reward: null, reward_std: 0.5, spread: null },
  ]);
});

it('puts what evaluations measured at their steps', () => {
  const points = stepPoints({ columns: ['step', 'kl'], rows: [[1, 0.1], [20, 2]] });
  const found = withEvaluations(points, [evaluation(0, { kl: 0 }), evaluation(20, { kl: 1.8 })], 'exact', ({ kl }) => kl);
  expect(found.map(({ step, kl, exact }) => [step, kl, exact])).toEqual([[0, undefined, 0], [1, 0.1, undefined], [20, 2, 1.8]]);
});

it('thins rows evenly and keeps both ends', () => {
  const rows = Array.from({ length: 101 }, (_, i) => i);
  expect(thinned(rows, 5)).toEqual([0, 25, 50, 75, 100]);
  expect(thinned([1, 2], 5)).toEqual([1, 2]);
});

it('ends an axis at a round number past its end', () => {
  expect(axisTo(1.7)).toEqual({ domain: [0, 2], ticks: [0, 0.5, 1, 1.5, 2] });
  expect(axisTo(60)).toEqual({ domain: [0, 60], ticks: [0, 10, 20, 30, 40, 50, 60] });
  expect(axisTo(3.15).ticks.at(-1)).toBeGreaterThanOrEqual(3.15);
  expect(axisTo(0).ticks[0]).toBe(0);
  expect(axisTo(0).domain[1]).toBeGreaterThan(0);
});

it('writes ticks with no digit too many', () => {
  expect([0, 0.025, 0.0005, 60, 1.5].map(tick)).toEqual(['0', '0.025', '0.0005', '60', '1.5']);
});
