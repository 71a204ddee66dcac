import { describe, expect, it } from 'vitest';
import type { GenerationChoices, MixRow, RefreshConfig } from '@/lib/api/types';
import { configOf, formOf, partRequest, requestOf, sectionOf, specOf, withFoldsOf } from './form';

const ROW: MixRow = { source: 'checkpoint:3', kind: '', n: 2, temperature: 0.7, top_p: 0.95, system: '', best_of: 1, by: 'reward' };
const CHOICES: GenerationChoices = { checkpoints: [], endpoints: [], reward_models: [], mix: [ROW], adversarial_system: 'Be wrong.' };
const WITH_POLICY: GenerationChoices = { ...CHOICES, checkpoints: [{ id: 3, name: 'policy-3', kind: 'policy' }] };
const PLAIN = formOf(null, CHOICES);

/** As the server keeps it: whole, with what no field shows. */
const CONFIG: RefreshConfig = {
  ask: true,
  candidates: {
    mix: [ROW], n_prompts: 12, order: 'random', tags: [], languages: [], origins: ['log'], clusters: [], is_unlabelled_only: false,
    max_new_tokens: 64, max_prompt_tokens: 512, near_duplicate: 0.7, reward_model: null, seed: 1,
  },
  sampling: {
    acquisition: 'gap', prompt_rule: 'value', diversity: 'none', budget: 30, random_share: 0.2, n_clusters: 0, max_cluster_share: 1,
    max_per_prompt: 2, seed: 0,
  },
  labelling: { target_share: 0.575, max_days: 4 },
  spec: { min_ratings: 2, min_agreement: 0.6, ties: 'soft', max_comparisons: null, ...{ tags: ['maths'] } },
  base_model: '/models/base',
  training: { epochs: 2, lora_rank: 8, start: 'continued', replay: 0.5 },
  promotion: 'hand',
};

describe('the form of a refresh', () => {
  it('proposes new completions only where there is a policy to write them', () => {
    expect(requestOf(PLAIN)).toMatchObject({ ask: true, candidates: null });
    expect(requestOf(formOf(null, WITH_POLICY)).candidates).toMatchObject({ n_prompts: 200, mix: [{ source: 'checkpoint:3', n: 2 }] });
    // What was chosen before is not proposed away.
    expect(formOf({ candidates: null }, WITH_POLICY).isGenerating).toBe(false);
  });

  it('gives shares as shares and leaves out what is empty', () => {
    const spec = { ...PLAIN.spec, min_agreement: 75 as const, min_ratings: '' as const };
    expect(specOf({ spec })).toEqual({ min_agreement: 0.75, ties: 'drop', intensity_weighting: 'scaled_bt', include_adjudicated: true });
    const labelling = { target_share: 80 as const, max_days: 3 as const };
    expect(configOf({ ...PLAIN, labelling }).labelling).toEqual({ target_share: 0.8, max_days: 3 });
    expect(configOf({ ...PLAIN, labelling: { target_share: '', max_days: '' } }).labelling).toEqual({ max_days: null });
  });

  it('names of training what somebody chose, and replay only where training is continued', () => {
    expect(requestOf(PLAIN)).toMatchObject({ base_model: 'builtin', training: {} });
    const training = { ...PLAIN.training, epochs: 3 as const, seed: 0 as const };
    expect(requestOf({ ...PLAIN, base_model: ' ', training })).toMatchObject({ base_model: 'builtin', training: { epochs: 3, seed: 0 } });
    expect(requestOf({ ...PLAIN, training }).training).not.toHaveProperty('replay');
    expect(requestOf({ ...PLAIN, training: { ...training, start: 'continued' } }).training).toMatchObject({ start: 'continued', replay: 1 });
  });

  it('shows a config and asks for the same again, with what no field shows', () => {
    const form = formOf(CONFIG, CHOICES);
    expect(form).toMatchObject({ isGenerating: true, labelling: { target_share: 57.5 }, spec: { min_agreement: 60, max_comparisons: '' } });
    const again = configOf(form, CONFIG);
    expect(again).toMatchObject({
      labelling: CONFIG.labelling, base_model: '/models/base', training: CONFIG.training, promotion: 'hand',
      spec: { min_ratings: 2, min_agreement: 0.6, ties: 'soft', tags: ['maths'] },
      candidates: { n_prompts: 12, origins: ['log'], near_duplicate: 0.7 },
      sampling: { budget: 30, random_share: 0.2 },
    });
    expect(again.spec).not.toHaveProperty('max_comparisons');
  });

  it('changes of a stage its own part', () => {
    const form = { ...formOf(CONFIG, CHOICES), promotion: 'rule' as const };
    expect(partRequest('promote', form, CONFIG)).toEqual({ promotion: 'rule' });
    expect(partRequest('label', form, CONFIG)).toEqual({ labelling: { target_share: 0.575, max_days: 4 } });
    expect(partRequest('train', form, CONFIG)).toEqual({ training: { epochs: 2, lora_rank: 8, start: 'continued', replay: 0.5 } });
    expect(partRequest('candidates', { ...form, isGenerating: false }, CONFIG)).toEqual({ candidates: null });
  });

  it('knows where a complaint is folded away', () => {
    const places = { 'sampling.budget': null, 'sampling.seed': 'sampling', 'candidates.mix.0.source': 'candidates', 'labelling.max_days': null };
    expect(Object.fromEntries(Object.keys(places).map((field) => [field, sectionOf(field)]))).toEqual(places);
    expect(['spec.ties', 'spec.max_comparisons', 'training.epochs', 'training.replay', 'base_model', 'name'].map(sectionOf)).toEqual([
      'labels', 'advanced', 'advanced', 'training', 'training', null,
    ]);
    expect(withFoldsOf(['labels'], [{ field: 'training.epochs' }, { field: 'spec.ties' }, { field: 'name' }])).toEqual(['labels', 'advanced']);
  });
});
