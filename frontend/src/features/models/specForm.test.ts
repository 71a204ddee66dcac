import { describe, expect, it } from 'vitest';
import { DEFAULTS, differing, formOf, isUnderMore, queryOf, specIn, specOf, type SetSpec } from './specForm';

const EVERYTHING: SetSpec = {
  min_ratings: 3,
  min_agreement: 0.57,
  low_agreement: 'hard',
  hard_weight: 0.25,
  min_intensity: 2,
  ties: 'soft',
  intensity_weighting: 'none',
  agreement_weighting: 'share',
  preference: 'posterior',
  margins: 'large',
  include_adjudicated: false,
  max_comparisons: 5000,
  rated_from: '2026-01-01',
  rated_to: '2026-11-27',
  guideline_versions: [1, 3],
  sources: [7],
  source_kinds: ['sft', 'early_policy'],
  max_source_share: { adversarial: 0.07, 'of: mine': 0.3 },
  languages: ['de', 'en'],
  tags: ['code & maths', 'a=b'],
  without_tags: ['poetry, long'],
  labellers: [4, 5],
  without_labellers: [6],
  max_cluster_share: 0.1,
  ai: { use: 'unrated', max_share: 0.3, weight: 0.5 },
};
const back = (spec: Partial<SetSpec>) => specIn(new URLSearchParams(queryOf(spec)));

describe('a spec in an address', () => {
  it('comes back whole, every field', () => {
    for (const [name, value] of Object.entries(EVERYTHING)) expect(value).not.toEqual(DEFAULTS[name as keyof SetSpec]);
    expect(back(EVERYTHING)).toEqual(EVERYTHING);
  });

  it('says nothing where everything is the default', () => {
    expect(queryOf(DEFAULTS)).toBe('');
    expect(specIn(new URLSearchParams())).toEqual(DEFAULTS);
  });

  it('repeats lists and pairs kinds with their share, as the preview reads it', () => {
    expect(queryOf({ tags: ['a', 'b'], max_source_share: { sft: 0.5 } })).toBe('max_source_share=sft%3A0.5&tags=a&tags=b');
  });

  it('names what of AI ratings is asked for, and nothing where they are not used', () => {
    expect(queryOf({ ai: { use: 'all', max_share: 0.2, weight: 1 } })).toBe('ai=use%3Aall&ai=max_share%3A0.2&ai=weight%3A1');
    expect(queryOf({ ai: { use: 'none', max_share: 0.2, weight: 1 } })).toBe('');
    expect(specIn(new URLSearchParams('ai=use:some&ai=max_share:7&ai=weight:0.5')).ai).toEqual({ use: 'none', max_share: 1, weight: 0.5 });
  });

  it('passes over what makes no sense', () => {
    const query = new URLSearchParams('min_ratings=many&ties=maybe&rated_from=yesterday&sources=x&sources=3&max_source_share=sft&max_source_share=sft:&hue=2&min_agreement=');
    expect(specIn(query)).toEqual({ ...DEFAULTS, sources: [3] });
  });
});

describe('a spec in a form', () => {
  it('comes back whole', () => {
    expect(specOf(formOf(EVERYTHING))).toEqual(EVERYTHING);
  });

  it('has shares in per cent without the noise of binary fractions', () => {
    expect(formOf(EVERYTHING)).toMatchObject({ min_agreement: 57, max_cluster_share: 10, max_source_share: { adversarial: 7 } });
  });

  it('asks nothing by empty fields', () => {
    const form = { ...formOf(DEFAULTS), min_ratings: '' as const, max_comparisons: '' as const, max_source_share: { sft: '' as const } };
    expect(specOf(form)).toEqual({});
  });
});

it('leaves out the weight of hard ones where none are kept', () => {
  expect(differing({ hard_weight: 0.2, low_agreement: 'drop' })).toEqual({});
  expect(differing({ hard_weight: 0.2, low_agreement: 'hard' })).toEqual({ hard_weight: 0.2, low_agreement: 'hard' });
});

it('knows which complaints are about fields that are folded away', () => {
  expect(isUnderMore('spec.tags')).toBe(true);
  expect(isUnderMore('spec.max_source_share.sft')).toBe(true);
  expect(isUnderMore('spec.min_agreement')).toBe(false);
  expect(isUnderMore('name')).toBe(false);
});
