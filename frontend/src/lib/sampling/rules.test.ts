import { expect, it } from 'vitest';
import { rulesOf, whyOf } from './rules';

const OPTIONS = {
  acquisition: 'bald', prompt_rule: 'value', diversity: 'none', budget: 10, random_share: 0.15,
  n_clusters: 0, max_cluster_share: 1, max_per_prompt: 2, seed: 1,
};

it('says only the rules that do something', () => {
  expect(rulesOf(OPTIONS)).toEqual(['Pairs: where an answer tells most.', '15 % at random, as a control.']);
  expect(rulesOf({ ...OPTIONS, prompt_rule: 'bal_pm', diversity: 'quotas', max_cluster_share: 0.25 })).toEqual([
    'Pairs: where an answer tells most.',
    'Prompts: uncertain and far from what is labelled.',
    'Spread: shares for clusters of prompts.',
    'No cluster of prompts gets more than 25 %.',
    '15 % at random, as a control.',
  ]);
});

it('names the terms of a choice and leaves out what has no name or no number', () => {
  const terms = { acquisition: 1.5, disagreement: 0.41234, gap: -0.5, entropy: null };
  expect(whyOf({ terms })).toBe('reward gap -0.500 · disagreement 0.412');
});
