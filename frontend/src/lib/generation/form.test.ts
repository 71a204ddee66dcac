import { describe, expect, it } from 'vitest';
import type { GenerationChoices, GenerationOptions, MixRow } from '@/lib/api/types';
import { anotherRow, formOf, HUMAN, initialForm, PATH, RANDOM, requestOf, rowOf, sourcesOf } from './form';

const ROW: MixRow = { source: 'checkpoint:3', kind: '', n: 2, temperature: 0.7, top_p: 0.95, system: '', best_of: 1, by: 'reward' };
const CHOICES: GenerationChoices = {
  checkpoints: [{ id: 3, name: 'policy-3', kind: 'policy' }],
  endpoints: [],
  reward_models: [],
  mix: [ROW, { ...ROW, source: 'pool', kind: 'random', n: 1 }],
  adversarial_system: 'Be wrong.',
};

describe('the form of a generation', () => {
  it('starts from the mix that the server proposes and sends it back', () => {
    const request = requestOf(initialForm(CHOICES));
    expect(request.mix).toEqual([
      { source: 'checkpoint:3', n: 2, temperature: 0.7, top_p: 0.95 },
      { source: 'pool', kind: 'random', n: 1 },
    ]);
    expect(request).toMatchObject({ n_prompts: 200, order: 'least_covered', near_duplicate: 0.8 });
    expect(request).not.toHaveProperty('reward_model');
  });

  it('sends of a row what its way of finding completions needs, and nothing else', () => {
    const form = initialForm({ ...CHOICES, mix: [ROW] });
    const sent = (changed: object) =>
      requestOf({ ...form, reward_model: '9', mix: form.mix.map((row) => ({ ...row, system: ' Be wrong. ', ...changed })) });
    expect(sent({ search: 'prompted' }).mix[0]).toMatchObject({ system: 'Be wrong.' });
    expect(sent({ search: 'disagreement', best_of: 4 }).mix[0]).toMatchObject({ best_of: 4, by: 'disagreement' });
    expect(sent({ search: 'disagreement' })).toMatchObject({ reward_model: 9 });
    expect(sent({ search: 'plain' }).mix[0]).toEqual({ source: 'checkpoint:3', n: 2, temperature: 0.7, top_p: 0.95 });
    expect(sent({ source: PATH, path: ' /models/x ' }).mix[0]).toMatchObject({ source: 'path:/models/x' });
    expect(sent({ source: HUMAN, search: 'reward' }).mix[0]).toEqual({ source: 'pool', kind: 'human', n: 2 });
  });

  it('shows options as it would ask for them', () => {
    const options: GenerationOptions = {
      mix: [ROW, { ...ROW, n: 1, best_of: 4, by: 'disagreement' }], n_prompts: 7, order: 'random', tags: ['maths'], languages: [], origins: ['log'], clusters: [2],
      is_unlabelled_only: false, max_new_tokens: 32, max_prompt_tokens: 64, near_duplicate: 0.58, reward_model: 3, seed: 5,
    };
    expect(formOf(options)).toMatchObject({ near_duplicate: 58, reward_model: '3' });
    expect(requestOf(formOf(options))).toMatchObject({ ...options, mix: [{ source: 'checkpoint:3' }, { best_of: 4, by: 'disagreement' }] });
  });

  it('reads rows of every kind', () => {
    expect(rowOf({ ...ROW, best_of: 8, by: 'disagreement' })).toMatchObject({ search: 'disagreement', best_of: 8 });
    expect(rowOf({ ...ROW, system: 'x' }).search).toBe('prompted');
    expect(rowOf({ ...ROW, source: 'path:/m' })).toMatchObject({ source: PATH, path: '/m' });
    expect(rowOf({ ...ROW, source: 'pool', kind: 'random' }).source).toBe(RANDOM);
  });

  it('adds a row like the last model, warmer', () => {
    const { mix } = initialForm(CHOICES);
    expect(anotherRow(mix)).toMatchObject({ source: 'checkpoint:3', temperature: 0.9 });
    expect(anotherRow([])).toMatchObject({ source: 'builtin' });
  });

  it('offers endpoints only where the operator allows some', () => {
    const values = (choices: GenerationChoices) => sourcesOf(choices).flatMap(({ items }) => items.map(({ value }) => value));
    expect(values(CHOICES)).toEqual(['checkpoint:3', 'builtin', RANDOM, HUMAN, PATH]);
    expect(values({ ...CHOICES, endpoints: [{ name: 'big', model: 'm' }] })).toContain('endpoint:big');
  });
});
