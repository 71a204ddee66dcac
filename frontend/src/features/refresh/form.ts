/** The form of a refresh, in the shape of the request: the server's complaints find their fields by name. */

import type { GenerationChoices, GenerationOptions, RefreshConfig, Spec } from '@/lib/api/types';
import {
  formOf as generationForm, initialForm as initialGeneration, requestOf as generationRequest, type GenerationForm,
} from '@/lib/generation/form';
import { formOf as samplingForm, requestOf as samplingRequest, type SamplingForm } from '@/lib/sampling/form';

/** A number field; '' when it is empty. */
export type Entry = number | '';

export interface SpecFields {
  min_ratings: Entry;
  /** In percent here, a share in the request. */
  min_agreement: Entry;
  ties: 'drop' | 'soft';
  intensity_weighting: 'scaled_bt' | 'none';
  include_adjudicated: boolean;
  max_comparisons: Entry;
}

export interface TrainingFields {
  /** From a base model, or from the reward model in use. */
  start: 'fresh' | 'continued';
  /** Earlier comparisons for each new one, where training is continued. */
  replay: Entry;
  epochs: Entry;
  batch_size: Entry;
  learning_rate: Entry;
  max_length: Entry;
  seed: Entry;
}

export interface RefreshForm {
  name: string;
  ask: boolean;
  /** Whether models write new completions; else pairs are chosen from the pool as it is. */
  isGenerating: boolean;
  candidates: GenerationForm;
  sampling: SamplingForm;
  labelling: {
    /** In percent here, a share in the request. */
    target_share: Entry;
    max_days: Entry;
  };
  spec: SpecFields;
  base_model: string;
  training: TrainingFields;
  promotion: 'rule' | 'hand';
}

const SPEC: SpecFields = {
  min_ratings: 1,
  min_agreement: 0,
  ties: 'drop',
  intensity_weighting: 'scaled_bt',
  include_adjudicated: true,
  max_comparisons: '',
};
const TRAINING: TrainingFields = { start: 'fresh', replay: 1, epochs: '', batch_size: '', learning_rate: '', max_length: '', seed: '' };

/** The fields of `shown` as `raw` has them, the others as they are; what is null is empty. */
function filled<T extends object>(shown: T, raw: object): T {
  const known = Object.entries(raw).filter(([name]) => name in shown);
  return { ...shown, ...(Object.fromEntries(known.map(([name, value]) => [name, value ?? ''])) as Partial<T>) };
}

const percentOf = (share: number) => Math.round(share * 1000) / 10;

/** The form of what a refresh is, or would be, started with. New completions are proposed where there is a policy to
 * write them: without one, nothing has moved on. */
export function formOf(config: RefreshConfig | null, choices: GenerationChoices): RefreshForm {
  const { ask = true, candidates, sampling = {}, labelling = {}, spec = {}, base_model = 'builtin', training = {}, promotion = 'rule' } =
    config ?? {};
  const share = spec.min_agreement ?? 0;
  return {
    name: '',
    ask,
    isGenerating: config && 'candidates' in config ? candidates !== null : choices.checkpoints.some(({ kind }) => kind === 'policy'),
    candidates: candidates ? generationForm(candidates) : initialGeneration(choices),
    sampling: samplingForm(sampling),
    labelling: { target_share: percentOf(labelling.target_share ?? 0.9), max_days: labelling.max_days ?? '' },
    spec: { ...filled(SPEC, spec), min_agreement: percentOf(share) },
    base_model,
    training: filled(TRAINING, training),
    promotion,
  };
}

function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '')) as Partial<T>;
}

/** What `before` has and no field shows: set by programs, kept by people who change the rest. */
function unseen(before: object | undefined, shown: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(before ?? {}).filter(([name]) => !(name in shown)));
}

/** The spec that is asked for; what is empty is left to the server's default. */
export function specOf({ spec }: Pick<RefreshForm, 'spec'>, before?: Spec): Spec {
  const { min_agreement, ...others } = given(spec);
  return {
    ...unseen(before, spec),
    ...others,
    ...(typeof min_agreement === 'number' && { min_agreement: min_agreement / 100 }),
  } as Spec;
}

function trainingOf({ training }: RefreshForm, before?: object): Record<string, unknown> {
  const { start, replay, ...others } = training;
  const isContinued = start === 'continued';
  return {
    ...unseen(before, training),
    ...given(others),
    ...(isContinued && { start }),
    ...(isContinued && replay !== '' && { replay }),
  };
}

/** What the form asks for. `before`: what it was filled from, of which what no field shows is kept. */
export function configOf(form: RefreshForm, before: RefreshConfig | null = null) {
  const { target_share, max_days } = form.labelling;
  return {
    ask: form.ask,
    candidates: form.isGenerating ? (generationRequest(form.candidates) as GenerationOptions) : null,
    sampling: samplingRequest(form.sampling),
    labelling: {
      ...(target_share !== '' && { target_share: target_share / 100 }),
      max_days: max_days === '' ? null : max_days,
    },
    spec: specOf(form, before?.spec),
    base_model: form.base_model.trim() || 'builtin',
    training: trainingOf(form, before?.training),
    promotion: form.promotion,
  };
}

export const requestOf = (form: RefreshForm) => ({ name: form.name.trim(), ...configOf(form) });

/** The part of the config that a stage has and that may be changed before it begins. */
export const PART_OF = {
  candidates: 'candidates',
  sample: 'sampling',
  // In quotes, for it is no text that goes on a screen.
  'label': 'labelling',
  export: 'spec',
  base: 'base_model',
  train: 'training',
  promote: 'promotion',
} as const;
export type EditableStage = keyof typeof PART_OF;

export const isEditable = (stage: string): stage is EditableStage => stage in PART_OF;

/** The request that changes a stage. */
export function partRequest(stage: EditableStage, form: RefreshForm, before: RefreshConfig): Record<string, unknown> {
  const part = PART_OF[stage];
  return { [part]: configOf(form, before)[part] };
}

export type Section = 'candidates' | 'sampling' | 'labels' | 'training' | 'advanced';

const IN_SECTION: [Section, string[]][] = [
  ['candidates', ['candidates']],
  ['sampling', ['sampling']],
  ['advanced', ['spec.intensity_weighting', 'spec.include_adjudicated', 'spec.max_comparisons']],
  ['labels', ['spec']],
  ['training', ['base_model', 'promotion', 'training.start', 'training.replay']],
  ['advanced', ['training']],
];
const IN_SIGHT = ['sampling.budget'];

/** The folded section that has the field of a complaint; null: it is in sight. */
export function sectionOf(field: string): Section | null {
  if (IN_SIGHT.includes(field)) return null;
  return IN_SECTION.find(([, starts]) => starts.some((start) => field === start || field.startsWith(`${start}.`)))?.[0] ?? null;
}

/** The open sections, and those with a field that is complained about. */
export function withFoldsOf(open: Section[], errors: { field: string }[]): Section[] {
  const found = errors.map(({ field }) => sectionOf(field)).filter((section) => section !== null);
  return [...new Set([...open, ...found])];
}
