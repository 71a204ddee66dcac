import { expect, it } from 'vitest';
import type { Finding, FindingCode } from '@/lib/api/types';
import { ADVICE, FINDING_COLOURS, findingTitle } from './findings';

const finding = (code: FindingCode, value: number, low: number, high: number, version: number | null = null): Finding => ({
  code,
  value: { value, low, high, n: 120, too_few: false },
  p_value: 0.0001,
  version,
});

it.each([
  [finding('position_bias', 0.68, 0.61, 0.74), 'Prefers the side shown first: 68\u00a0% (61–74)'],
  [finding('position_bias', 0.3, 0.24, 0.37), 'Prefers the side shown second: first in 30\u00a0% (24–37)'],
  [finding('length_taste', 0.18, 0.1, 0.26), 'Prefers the longer completion more than others: by 18 points (10–26)'],
  [finding('length_taste', -0.18, -0.26, -0.1), 'Prefers the shorter completion more than others: by 18 points (10–26)'],
  [finding('near_chance', 0.52, 0.47, 0.57), 'Agrees with the others hardly more than chance: 52\u00a0% (47–57)'],
  [finding('changed', -0.25, -0.4, -0.09, 3), 'Agrees less since version 3: by 25 points (9–40)'],
  [finding('changed', 0.2, 0.05, 0.3), 'Agrees more than before: by 20 points (5–30)'],
  [finding('misses_gold', 0.4, 0.2, 0.6), 'Misses known answers: 40\u00a0% (20–60) right'],
])('%# is told with its figure', (one, words) => {
  expect(findingTitle(one)).toBe(words);
});

it('has advice and a colour for every kind', () => {
  const codes: FindingCode[] = ['position_bias', 'length_taste', 'near_chance', 'too_fast', 'changed', 'inconsistent', 'misses_gold'];
  expect(Object.keys(ADVICE).toSorted()).toEqual(codes.toSorted());
  expect(Object.keys(FINDING_COLOURS).toSorted()).toEqual(codes.toSorted());
  expect(codes.map((code) => findingTitle(finding(code, 0.5, 0.4, 0.6))).every(Boolean)).toBe(true);
});
