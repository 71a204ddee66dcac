import { expect, it } from 'vitest';
import { INITIAL, isFoldedAway, requestOf } from './roundForm';

it('leaves what is empty to the server', () => {
  expect(requestOf({ ...INITIAL, budget: '', random_share: '', max_cluster_share: '', max_per_prompt: '' })).toEqual({
    acquisition: 'dts',
    prompt_rule: 'badge',
    diversity: 'none',
  });
});

it('turns percent into shares and chosen rows into numbers', () => {
  const form = { ...INITIAL, random_share: 20, max_cluster_share: 30, reward_model_id: '4', generation_id: '7', seed: 0 } as const;
  expect(requestOf(form)).toMatchObject({ random_share: 0.2, max_cluster_share: 0.3, reward_model_id: 4, generation_id: 7, seed: 0 });
});

it('knows which complaints are about folded fields', () => {
  expect(['seed', 'max_cluster_share', 'budget', 'acquisition'].map(isFoldedAway)).toEqual([true, true, false, false]);
});
