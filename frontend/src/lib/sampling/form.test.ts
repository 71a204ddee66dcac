import { expect, it } from 'vitest';
import { formOf, INITIAL, isFoldedAway, requestOf, SAMPLING } from './form';

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

it('shows options as it would ask for them', () => {
  const options = {
    acquisition: 'gap', prompt_rule: 'value', diversity: 'quotas', budget: 40, random_share: 0.15,
    n_clusters: 0, max_cluster_share: 0.29, max_per_prompt: 3, seed: 4,
  };
  expect(formOf(options)).toMatchObject({ random_share: 15, max_cluster_share: 29, n_clusters: '', seed: 4 });
  expect(requestOf(formOf(options))).toEqual({ ...options, n_clusters: undefined });
  expect(formOf({})).toEqual(SAMPLING);
});
