import { describe, expect, it } from 'vitest';
import { configRows, INITIAL, isFoldedAway, requestOf, specOf } from './form';

describe('the request for a refresh', () => {
  it('gives agreement as a share and leaves out what is empty', () => {
    const form = { ...INITIAL, spec: { ...INITIAL.spec, min_agreement: 75 as const, min_ratings: '' as const } };
    expect(specOf(form)).toEqual({
      min_agreement: 0.75,
      ties: 'drop',
      intensity_weighting: 'scaled_bt',
      include_adjudicated: true,
    });
  });

  it('names training only where somebody chose something', () => {
    expect(requestOf(INITIAL)).not.toHaveProperty('training');
    const form = { ...INITIAL, budget: '' as const, base_model: ' ', training: { ...INITIAL.training, epochs: 3, seed: 0 } };
    expect(requestOf(form)).toMatchObject({ base_model: 'builtin', training: { epochs: 3, seed: 0 } });
    expect(requestOf(form)).not.toHaveProperty('budget');
  });

  it('knows which fields are folded away', () => {
    expect(['training.epochs', 'spec.max_comparisons', 'spec.ties', 'budget'].filter(isFoldedAway)).toEqual([
      'training.epochs',
      'spec.max_comparisons',
    ]);
  });
});

describe('what a refresh was started with', () => {
  it('is told in words, without what nobody set', () => {
    const config = {
      base_model: 'builtin',
      spec: { min_agreement: 0.6, ties: 'soft', max_comparisons: null },
      training: { batch_size: 8 },
      sampling: { budget: 30, random_share: 0.15, seed: 0 },
      base: { base: {} },
    };
    expect(configRows(config)).toEqual([
      ['Base model', 'builtin'],
      ['Least agreement', '60 %'],
      ['Ties', 'kept'],
      ['Training: batch size', '8'],
      ['Comparisons to ask for', '30'],
      ['Of them at random', '15 %'],
    ]);
  });
});
