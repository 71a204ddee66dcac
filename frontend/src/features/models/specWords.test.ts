import { expect, it } from 'vitest';
import type { SetChoices } from '@/lib/api/types';
import { DEFAULTS } from './specForm';
import { agreementCounts, batchCounts, inSentences, intensityName } from './specWords';

const LABELS = ['significantly better', 'better', 'slightly better', 'negligibly better'];
const CHOICES: SetChoices = {
  guideline_versions: [],
  languages: [],
  tags: [],
  sources: [{ id: 7, name: 'sft-2', kind: 'sft', n: 3 }],
  labellers: [{ id: 4, name: 'Ada', is_excluded: false, n_ratings: 9 }],
  n_intensities: 4,
  intensity_labels: LABELS,
  ties_allowed: true,
  disagreement_limit: 0.35,
  n_clusters: 0,
};

it('says nothing of a spec that is the default', () => {
  expect(inSentences(DEFAULTS, LABELS, CHOICES)).toEqual([]);
});

it('says people and sources by name, and by number where the names are not known', () => {
  const spec = { sources: [7], without_labellers: [4] };
  expect(inSentences(spec, LABELS, CHOICES)).toEqual(['No ratings of Ada.', 'Sources: sft-2.']);
  expect(inSentences(spec, LABELS)).toEqual(['No ratings of 4.', 'Sources: 7.']);
});

it('says which AI ratings are taken', () => {
  const ai = { use: 'unrated' as const, max_share: 0.3, weight: 0.5 };
  expect(inSentences({ ai }, LABELS)).toEqual(['AI ratings of what nobody has rated, at most 30\u00a0% of the set, weight 0.5.']);
});

it('counts intensities from the weakest, whose label stands last', () => {
  expect([1, 4].map((intensity) => intensityName(intensity, LABELS))).toEqual(['negligibly better', 'significantly better']);
});

it('tells what no sampling round asked for from what one did', () => {
  expect(batchCounts([{ bucket: '', n: 2 }, { bucket: '3', n: 1 }])).toEqual([
    { name: 'no sampling round', n: 2 },
    { name: 'sampling round 3', n: 1 },
  ]);
});

it('keeps the order of the buckets of agreement, and one it does not know as it is', () => {
  expect(agreementCounts([{ bucket: 'unanimous', n: 5 }, { bucket: 'odd', n: 1 }]).map(({ name }) => name)).toEqual(['all agree', 'odd']);
});
