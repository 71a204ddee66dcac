/** The form that starts a refresh, in the shape of the request: the server's complaints find their fields by name. */

import type { Spec } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';

/** A number field; '' when it is empty. */
type Entry = number | '';

export interface RefreshForm {
  name: string;
  base_model: string;
  acquisition: string;
  budget: Entry;
  spec: {
    min_ratings: Entry;
    /** In percent here, a share in the request. */
    min_agreement: Entry;
    ties: 'drop' | 'soft';
    intensity_weighting: 'scaled_bt' | 'none';
    include_adjudicated: boolean;
    max_comparisons: Entry;
  };
  training: { epochs: Entry; batch_size: Entry; learning_rate: Entry; max_length: Entry; seed: Entry };
}

export const INITIAL: RefreshForm = {
  name: '',
  base_model: 'builtin',
  acquisition: 'dts',
  budget: 100,
  spec: {
    min_ratings: 1,
    min_agreement: 0,
    ties: 'drop',
    intensity_weighting: 'scaled_bt',
    include_adjudicated: true,
    max_comparisons: '',
  },
  training: { epochs: '', batch_size: '', learning_rate: '', max_length: '', seed: '' },
};

function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '')) as Partial<T>;
}

/** The spec that is asked for; what is empty is left to the server's default. */
export function specOf({ spec }: RefreshForm): Spec {
  const { min_agreement, ...others } = given(spec);
  return { ...others, ...(typeof min_agreement === 'number' && { min_agreement: min_agreement / 100 }) } as Spec;
}

export function requestOf(form: RefreshForm) {
  const training = given(form.training);
  return {
    name: form.name.trim(),
    base_model: form.base_model.trim() || 'builtin',
    acquisition: form.acquisition,
    ...given({ budget: form.budget }),
    spec: specOf(form),
    ...(Object.keys(training).length > 0 && { training }),
  };
}

/** Whether a complaint is about a field that is folded away. */
export function isFoldedAway(field: string): boolean {
  return ['training.', 'spec.intensity_weighting', 'spec.include_adjudicated', 'spec.max_comparisons'].some((start) =>
    field.startsWith(start),
  );
}

const WORDS: Record<string, string> = {
  base_model: t('Base model'),
  'sampling.acquisition': t('Chosen next by'),
  'sampling.budget': t('Comparisons to ask for'),
  'sampling.random_share': t('Of them at random'),
  'spec.min_ratings': t('Ratings a comparison needs'),
  'spec.min_agreement': t('Least agreement'),
  'spec.ties': t('Ties'),
  'spec.intensity_weighting': t('Weight by intensity'),
  'spec.include_adjudicated': t('Settled comparisons count'),
  'spec.max_comparisons': t('Comparisons at most'),
};
const SHARES = ['sampling.random_share', 'spec.min_agreement'];
const VALUES: Record<string, string> = {
  drop: t('left out'),
  soft: t('kept'),
  scaled_bt: t('scaled'),
  none: t('none'),
  disagreement: t('disagreement'),
  gap: t('gap'),
  random: t('random'),
  true: t('yes'),
  false: t('no'),
};

function text(name: string, value: unknown): string {
  if (SHARES.includes(name) && typeof value === 'number') return `${Math.round(value * 100)} %`;
  return VALUES[String(value)] ?? String(value);
}

/** What a refresh was started with, as rows of name and value; options nobody set are left out. */
export function configRows(config: Record<string, unknown>): [string, string][] {
  const rows = Object.entries(config).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([inner, each]) => [`${name}.${inner}`, each])
      : [[name, value]],
  );
  return rows.flatMap(([name, value]): [string, string][] => {
    const isTraining = name.startsWith('training.');
    if (value === null || (!isTraining && !(name in WORDS))) return [];
    return [[WORDS[name] ?? t('Training: {{option}}', { option: inWords(name.slice('training.'.length)) }), text(name, value)]];
  });
}
