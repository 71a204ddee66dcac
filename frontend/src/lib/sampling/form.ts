/** The form of a sampling round, in the shape of the request: the server's complaints find their fields by name. */

import type { SamplingOptions } from '@/lib/api/types';

/** A number field; '' when it is empty. */
type Entry = number | '';

export interface SamplingForm {
  acquisition: string;
  prompt_rule: string;
  diversity: string;
  budget: Entry;
  /** In percent here, shares in the request. */
  random_share: Entry;
  max_cluster_share: Entry;
  n_clusters: Entry;
  max_per_prompt: Entry;
  seed: Entry;
}

export interface RoundForm extends SamplingForm {
  reward_model_id: string | null;
  generation_id: string | null;
}

export const SAMPLING: SamplingForm = {
  acquisition: 'dts',
  prompt_rule: 'badge',
  diversity: 'none',
  budget: 100,
  random_share: 15,
  max_cluster_share: 100,
  n_clusters: '',
  max_per_prompt: 2,
  seed: '',
};

export const INITIAL: RoundForm = { ...SAMPLING, reward_model_id: null, generation_id: null };

const FOLDED = ['max_cluster_share', 'n_clusters', 'max_per_prompt', 'seed', 'reward_model_id'];
const SHARES = ['random_share', 'max_cluster_share'];

export const isFoldedAway = (field: string) => FOLDED.includes(field);

/** What is asked for; what is empty is left to the server's default. */
export function requestOf(form: SamplingForm | RoundForm): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, value]: [string, string | number | null]) => {
      if (value === '' || value === null) return [];
      if (name.endsWith('_id')) return [[name, Number(value)]];
      return [[name, SHARES.includes(name) ? Number(value) / 100 : value]];
    }),
  );
}

/** The form of options that were asked for before. */
export function formOf(options: Partial<SamplingOptions>): SamplingForm {
  const known = Object.entries(options).filter(([name]) => name in SAMPLING);
  const shown = known.map(([name, value]) => [name, SHARES.includes(name) ? Math.round(Number(value) * 1000) / 10 : value]);
  const form = { ...SAMPLING, ...(Object.fromEntries(shown) as Partial<SamplingForm>) };
  // 0 is the server's word for its own choice.
  return { ...form, n_clusters: form.n_clusters || '' };
}
