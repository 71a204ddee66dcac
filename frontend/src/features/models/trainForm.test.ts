import { describe, expect, it } from 'vitest';
import { RECOMMENDED, chosenOptions, costFactor, isAdvanced, presetOf, trainRequest, withPreset, type TrainForm } from './trainForm';

const form = (training: Partial<TrainForm['training']> = {}, more: Partial<TrainForm> = {}): TrainForm => ({
  ...RECOMMENDED,
  comparison_set_id: '7',
  ...more,
  training: { ...RECOMMENDED.training, ...training },
});

describe('the request of the training form', () => {
  it('leaves what is recommended to the server', () => {
    expect(trainRequest(form())).toEqual({ comparison_set_id: 7, base_model: 'builtin' });
  });

  it('has what was chosen, and an ensemble’s members', () => {
    expect(trainRequest(form({ epochs: 1, use_weights: false, centring: 0.01 }, { n_members: 3, base_model: ' gpt2 ' }))).toEqual({
      comparison_set_id: 7,
      base_model: 'gpt2',
      n_members: 3,
      training: { epochs: 1, use_weights: false, centring: 0.01 },
    });
  });

  it('has no option of something that is not used', () => {
    expect(chosenOptions(form({ margin_scale: 3, lora_rank: 4, random_pairing_share: 0.5 }))).toEqual({});
    expect(chosenOptions(form({ use_margins: true, margin_scale: 3, tuning: 'lora', lora_rank: 4 }))).toEqual({
      use_margins: true, margin_scale: 3, tuning: 'lora', lora_rank: 4,
    });
  });
});

describe('a training that goes on from the promoted model', () => {
  it('keeps that one’s base and says how much is seen again', () => {
    const continued = form({ start: 'continued', replay: 0 }, { base_model: 'gpt2' });
    expect(trainRequest(continued)).toEqual({ comparison_set_id: 7, base_model: 'builtin', training: { start: 'continued', replay: 0 } });
    expect(chosenOptions(form({ start: 'continued' }))).toEqual({ start: 'continued' });
  });

  it('is the only one that sees anything again', () => {
    expect(trainRequest(form({ replay: 3 }, { base_model: 'gpt2' }))).toEqual({ comparison_set_id: 7, base_model: 'gpt2' });
  });

  it('stays one with another preset, and its fields are not folded away', () => {
    const quick = withPreset(form({ start: 'continued', replay: 2 }), 'quick');
    expect(quick.training).toMatchObject({ start: 'continued', replay: 2, tuning: 'head' });
    expect(presetOf(quick)).toBe('quick');
    expect(['training.start', 'training.replay', 'training.epochs'].map(isAdvanced)).toEqual([false, false, true]);
  });
});

describe('a preset', () => {
  it('is known again, and is none after a change', () => {
    const quick = withPreset(form(), 'quick');
    expect([presetOf(form()), presetOf(quick), presetOf(withPreset(quick, 'ensemble'))]).toEqual(['recommended', 'quick', 'ensemble']);
    expect(presetOf({ ...quick, training: { ...quick.training, seed: 3 } })).toBeNull();
  });

  it('keeps the set and the base', () => {
    expect(withPreset(form({ seed: 3 }, { base_model: 'gpt2' }), 'lora')).toMatchObject({ comparison_set_id: '7', base_model: 'gpt2', training: { seed: '' } });
  });
});

it('an ensemble costs as much as its members', () => {
  expect([costFactor(form()), costFactor(form({}, { n_members: 4 })), costFactor(form({}, { n_members: '' }))]).toEqual([1, 4, 1]);
});

it('knows which complaints are about folded fields', () => {
  expect(['training.seed', 'n_members', 'comparison_set_id', 'base_model'].map(isAdvanced)).toEqual([true, true, false, false]);
});
