/** The form that starts a policy run, in the shape of the request: the server's complaints find their fields by name. */

import type { PolicyRunChoices, PolicyRunOptions } from '@/lib/api/types';
import { t } from '@/lib/i18n';

/** A number field; '' when it is empty, which leaves it to the server's default. */
type Entry = number | '';
type Numbers = { [K in keyof PolicyRunOptions as PolicyRunOptions[K] extends number ? K : never]: Entry };

export interface PolicyRunForm extends Numbers, Pick<PolicyRunOptions, 'combine_with' | 'algorithm' | 'reward' | 'shaping' | 'ensemble' | 'early_stop'> {
  start: string;
  /** Of a model that is not in the list. */
  path: string;
  reward_model: string | null;
  gold_model: string | null;
  human_kls: string[];
}

/** In the place of a start that is typed. */
export const PATH = 'path';
/** No second judge. */
export const NOBODY = '';

const FOLDED: ReadonlySet<string> = new Set([
  'algorithm', 'reward', 'shaping', 'ensemble', 'kl_target', 'n_iterations', 'temperature', 'learning_rate', 'lora_rank', 'seed', 'n_probe',
  'max_prompt_tokens', 'clip', 'kl_horizon', 'uncertainty_weight', 'early_stop', 'stop_patience', 'stop_confidence', 'stop_margin',
]);

/** Whether a complaint is about a field that is folded away. */
export const isFolded = (field: string) => FOLDED.has(field);

export function initialForm({ defaults, starts, reward_models }: PolicyRunChoices): PolicyRunForm {
  const { start, reward_model, gold_model, human_kls, ...rest } = defaults;
  const isListed = starts.some(({ value }) => value === start);
  const served = reward_models.find(({ is_served }) => is_served);
  return {
    ...rest,
    start: isListed ? start : (starts[0]?.value ?? PATH),
    path: '',
    reward_model: String(reward_model ?? served?.version ?? reward_models[0]?.version ?? '') || null,
    gold_model: gold_model === null ? NOBODY : String(gold_model),
    human_kls: human_kls.map(String),
  };
}

/** "2.5" and "2,5" alike; null for what is no KL. */
export function klOf(text: string): number | null {
  const found = Number(text.trim().replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(found) && found > 0 ? found : null;
}

export const checks = {
  path: (path: string, { start }: PolicyRunForm) => (start === PATH && !path.trim() ? t('Enter where the model is.') : null),
  reward_model: (version: string | null) => (version ? null : t('Choose a reward model.')),
  human_kls: (kls: string[]) => (kls.every((text) => klOf(text) !== null) ? null : t('Numbers above 0 only.')),
};

/** What is sent; empty numbers are left out. */
export function requestOf(form: PolicyRunForm): Partial<PolicyRunOptions> {
  const { path, start, reward_model, combine_with, gold_model, human_kls, ...rest } = form;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== '')) as Partial<PolicyRunOptions>;
  return {
    ...given,
    start: start === PATH ? `path:${path.trim()}` : start,
    reward_model: reward_model ? Number(reward_model) : null,
    combine_with,
    // Chosen as the first one afterwards, it is no second one.
    gold_model: gold_model && gold_model !== reward_model ? Number(gold_model) : null,
    human_kls: human_kls
      .map(klOf)
      .filter((kl) => kl !== null)
      .toSorted((one, other) => one - other),
  };
}
