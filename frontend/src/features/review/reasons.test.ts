import { describe, expect, it } from 'vitest';
import { leaning, reasonInWords, type Evidence } from './reasons';

const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  n_a: 3, n_b: 0, n_ties: 0, n_flags: 0, model: { version: 3, p_a: 0.04, is_held_out: true }, cross_fitted: null, ...more,
});

describe('why a comparison is worth a look', () => {
  it.each([
    ['split', { n_a: 2, n_b: 2 }, 'Labellers split 2 : 2'],
    ['split', { n_a: 2, n_b: 1, n_ties: 1 }, 'Labellers split: A 2, B 1, tie 1'],
    ['flagged', { n_flags: 1, flagKinds: ['guideline_unclear'] }, 'Flagged: guideline unclear'],
    ['flagged', { n_flags: 2 }, '2 flags'],
    ['flagged', { n_flags: 1 }, 'Flagged'],
    ['model_against', {}, 'Reward model v3 is sure of B, labellers agree on A'],
    ['model_against', { n_a: 0, n_ties: 3 }, 'Reward model v3 is sure of B, labellers agree on a tie'],
    ['model_sure', { n_a: 2, n_b: 2 }, 'Labellers split, reward model v3 is sure of B'],
    ['model_unsure', { model: { version: 3, p_a: 0.52, is_held_out: false } }, 'Labellers agree on A, reward model v3 is undecided: 52\u00a0% for A'],
    ['model_sure', { model: null }, 'Labellers split, model sure'],
    [
      'probably_mislabelled', { cross_fitted: { comparison_set: 4, p_a: 0.1, strength: -2.2, std: null, rank: 1 } },
      'Probably mislabelled: models that did not learn from it are for B (90\u00a0%), labellers for A',
    ],
  ] as const)('%s', (reason, more, words) => {
    expect(reasonInWords(reason, evidence(more as Partial<Evidence>))).toBe(words);
  });
});

it('says for which side all ratings together are', () => {
  const answer = { p_a: 0.5, p_b: 0.4, p_tie: 0.1 };
  expect(leaning({ ...answer, expected_intensity: -1.8 })).toEqual({ side: 'B', size: 1.8 });
  expect(leaning({ ...answer, expected_intensity: 0.01 })).toBeNull();
});
