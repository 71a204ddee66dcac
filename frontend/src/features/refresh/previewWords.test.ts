import { expect, it } from 'vitest';
import type { RefreshPreview } from '@/lib/api/types';
import { countable } from './usePreviews';
import { computeWords, labelWords, skippedGroups } from './previewWords';

const LABELS: RefreshPreview['labels'] = {
  n_pairs: 400, is_estimate: true, n_chosen: 100, n_random: 15, n_labels: 300, ratings_each: 3, hours: 2.5, cost: '50.00', currency: 'EUR', days: 3,
};
const stage = (name: string, seconds: number | null, skipped: string | null = null) => ({ name, seconds, skipped });

it('says what people have to do, as far as it is known', () => {
  expect(labelWords({ labels: LABELS })).toBe('300 labels, 2.5 hours of labelling, €50.00, about 3 days');
  expect(labelWords({ labels: { ...LABELS, hours: null, cost: null, days: null } })).toBe('300 labels');
  expect(labelWords({ labels: null })).toBe('');
  expect(labelWords({ labels: { ...LABELS, n_chosen: 0 } })).toBe('');
});

it('says how long computers work, and what of it is not known; labelling is no work of theirs', () => {
  expect(computeWords({ seconds: 80, stages: [stage('label', null), stage('train', 80)] })).toBe('Computing takes about 1 min 20 s.');
  expect(computeWords({ seconds: 80, stages: [stage('export', null), stage('train', 80)] })).toContain('besides stages that have never run here');
  expect(computeWords({ seconds: null, stages: [stage('train', null)] })).toContain('after the first refresh');
  expect(computeWords({ seconds: null, stages: [stage('train', null, 'no set')] })).toBe('');
});

it('puts stages together that are left out for one reason', () => {
  const stages = [stage('drift', null, 'No model.'), stage('candidates', null, 'Not asked for.'), stage('sample', null, 'No model.'), stage('train', 3)];
  expect(skippedGroups({ stages })).toEqual([
    { stages: 'Drift check, Sampling', reason: 'No model.' },
    { stages: 'Candidates', reason: 'Not asked for.' },
  ]);
});

it('counts by what an address can have, and not where lists choose besides', () => {
  const whole = { min_ratings: 2, max_comparisons: null, ...{ tags: [], max_source_share: {}, ai: { use: 'none' } } };
  expect(countable(whole)).toEqual({ min_ratings: 2 });
  expect(countable({ ...whole, ...{ tags: ['maths'] } })).toBeNull();
  expect(countable({ ...whole, ...{ ai: { use: 'all' } } })).toBeNull();
});
