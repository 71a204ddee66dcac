import { expect, it } from 'vitest';
import type { PolicyRunChoices, PolicyRunOptions } from '@/lib/api/types';
import { checks, initialForm, isFolded, klOf, PATH, requestOf } from './form';

const DEFAULTS: PolicyRunOptions = {
  start: 'checkpoint:4', reward_model: 3, combine_with: '', gold_model: null, algorithm: 'rloo', reward: 'rewards', shaping: 'centred', ensemble: 'mean', beta: 0.05,
  kl_target: 0, kl_limit: 0, n_iterations: 1, n_steps: 200, prompts_per_step: 16, completions_per_prompt: 4, max_new_tokens: 128, temperature: 1,
  learning_rate: 1e-5, lora_rank: 16, evaluate_every: 20, n_probe: 64, human_kls: [2, 5.5], n_human: 30, seed: 0,
  clip: 0.2, kl_horizon: 1000, uncertainty_weight: 0.5, max_prompt_tokens: 256, early_stop: true, stop_patience: 3, stop_confidence: 0.95, stop_margin: 0,
};
const CHOICES: PolicyRunChoices = {
  defaults: DEFAULTS,
  starts: [{ value: 'checkpoint:4', label: 'SFT 1' }, { value: 'builtin', label: 'Built-in' }],
  reward_models: [{ version: 3, label: 'v3', is_served: true, n_members: 1 }, { version: 2, label: 'v2', is_served: false, n_members: 3 }],
  combinable: [],
  n_prompts: 100,
  n_probe: 64,
  problem: '',
};

it('asks for the defaults where nothing was changed', () => {
  expect(requestOf(initialForm(CHOICES))).toEqual(DEFAULTS);
});

it('takes the served model and the first start where the defaults name none that is there', () => {
  const form = initialForm({ ...CHOICES, defaults: { ...DEFAULTS, start: 'checkpoint:9', reward_model: null } });
  expect([form.start, form.reward_model]).toEqual(['checkpoint:4', '3']);
  expect(initialForm({ ...CHOICES, starts: [], reward_models: [], defaults: { ...DEFAULTS, reward_model: null } })).toMatchObject({ start: PATH, reward_model: null });
});

it('sends a path, a second model and KLs as the server wants them, and leaves empty numbers to it', () => {
  const form = { ...initialForm(CHOICES), start: PATH, path: ' /models/policy-7 ', gold_model: '2', human_kls: [' 10 ', '2,5'], beta: '' as const };
  const request = requestOf(form);
  expect(request).toMatchObject({ start: 'path:/models/policy-7', gold_model: 2, human_kls: [2.5, 10] });
  expect('beta' in request).toBe(false);
  expect('path' in request).toBe(false);
});

it('sends that a run does not end early', () => {
  expect(requestOf({ ...initialForm(CHOICES), early_stop: false }).early_stop).toBe(false);
});

it('sends the project whose model is combined with the first', () => {
  expect(requestOf({ ...initialForm(CHOICES), combine_with: 'safety' }).combine_with).toBe('safety');
});

it('sends no second model that is the first', () => {
  expect(requestOf({ ...initialForm(CHOICES), gold_model: '3' }).gold_model).toBeNull();
});

it('knows a KL when it sees one', () => {
  expect(['2', '2.5', '2,5', '0', '-1', 'two', '', ' '].map(klOf)).toEqual([2, 2.5, 2.5, null, null, null, null, null]);
  expect(checks.human_kls(['2', '5'])).toBeNull();
  expect(checks.human_kls(['2', 'five'])).toBe('Numbers above 0 only.');
});

it('wants a path only where the start is one', () => {
  const form = initialForm(CHOICES);
  expect(checks.path('', form)).toBeNull();
  expect(checks.path('', { ...form, start: PATH })).toBe('Enter where the model is.');
});

it('knows what is folded away', () => {
  expect([isFolded('temperature'), isFolded('stop_patience'), isFolded('beta'), isFolded('reward_model')]).toEqual([true, true, false, false]);
});
