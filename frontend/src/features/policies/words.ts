/** Policy runs in words: why they stopped, and what their options are called. */

import type { PolicyRun, PolicyRunOptions } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

interface Choice<T> {
  value: T;
  label: string;
}

export const ALGORITHMS: Choice<PolicyRunOptions['algorithm']>[] = [
  { value: 'rloo', label: t('RLOO') },
  { value: 'grpo', label: t('GRPO') },
];

export const REWARDS: Choice<PolicyRunOptions['reward']>[] = [
  { value: 'rewards', label: t('as the reward model gives it') },
  { value: 'calibrated', label: t('without what length alone explains') },
];

export const SHAPINGS: Choice<PolicyRunOptions['shaping']>[] = [
  { value: 'none', label: t('none') },
  { value: 'centred', label: t('less the reward of the reference') },
  { value: 'sigmoid', label: t('how likely it beats the reference (sigmoid)') },
  { value: 'clip', label: t('cut off at the training rewards’ range') },
];

export const ENSEMBLES: Choice<PolicyRunOptions['ensemble']>[] = [
  { value: 'mean', label: t('their mean') },
  { value: 'worst', label: t('the lowest of them') },
  { value: 'uncertainty', label: t('their mean less their disagreement') },
];

const STOPS: Record<string, string> = {
  gold_fell: t('Stopped: the gold model’s gain fell below its best'),
  people_fell: t('Stopped: people like it less than before'),
  proxy_and_gold_part: t('Stopped: the reward rises while the gold model’s gain does not'),
  proxy_and_people_part: t('Stopped: the reward rises while people do not like it more'),
  kl_limit: t('Stopped at the limit of KL'),
};

/** Why a finished run ended; '' while it runs. */
export function stopWords({ stop_reason, finished_at, state }: Pick<PolicyRun, 'stop_reason' | 'finished_at' | 'state'>): string {
  if (stop_reason) return STOPS[stop_reason] ?? t('Stopped: {{reason}}', { reason: stop_reason.replaceAll('_', ' ') });
  return finished_at && state === 'succeeded' ? t('Ran to its end') : '';
}

const labelOf = <T,>(choices: Choice<T>[], value: T) => choices.find((one) => one.value === value)?.label ?? String(value);

type Row = [string, string];

/** What a run was started with, as rows of name and value. */
export function optionRows({ options, start_label, reward_model, combined_model, gold_model }: PolicyRun): Row[] {
  return [
    [t('Starts from'), start_label],
    [t('Reward model'), reward_model.label],
    ...(combined_model ? [[t('Combined with'), `${combined_model.project}, ${combined_model.label}`] satisfies Row] : []),
    [t('Gold model'), gold_model?.label ?? t('none')],
    [t('Algorithm'), labelOf(ALGORITHMS, options.algorithm)],
    [t('Weight of KL (beta)'), options.kl_target > 0 ? t('from {{beta}}, to keep KL at {{target}} nats', { beta: text(options.beta), target: text(options.kl_target) }) : text(options.beta)],
    ...(options.kl_target > 0 ? [[t('Beta follows over, completions'), number(options.kl_horizon)] satisfies Row] : []),
    [t('Stops at a KL of'), options.kl_limit > 0 ? t('{{n}} nats', { n: text(options.kl_limit) }) : t('no limit')],
    [t('Reward'), labelOf(REWARDS, options.reward)],
    [t('Shaping'), labelOf(SHAPINGS, options.shaping)],
    [t('Members of an ensemble'), labelOf(ENSEMBLES, options.ensemble)],
    ...(options.ensemble === 'uncertainty' ? [[t('Weight of their variance'), text(options.uncertainty_weight)] satisfies Row] : []),
    [t('Updates'), number(options.n_steps)],
    [t('Updates of each batch'), number(options.n_iterations)],
    ...(options.n_iterations > 1 ? [[t('Clipped at a ratio of'), t('1 ± {{epsilon}}', { epsilon: text(options.clip) })] satisfies Row] : []),
    [t('Prompts per update'), number(options.prompts_per_step)],
    [t('Completions per prompt'), number(options.completions_per_prompt)],
    [t('Longest completion, tokens'), number(options.max_new_tokens)],
    [t('Longest prompt, tokens'), number(options.max_prompt_tokens)],
    [t('Temperature'), text(options.temperature)],
    [t('Learning rate'), text(options.learning_rate)],
    [t('Weights'), options.lora_rank > 0 ? t('LoRA of rank {{rank}}', { rank: options.lora_rank }) : t('all of them')],
    [t('Evaluated every, updates'), number(options.evaluate_every)],
    [t('Prompts of the probe set'), number(options.n_probe)],
    [t('People are asked at KLs of'), options.human_kls.length > 0 ? t('{{n}} nats', { n: options.human_kls.map(text).join(', ') }) : t('never')],
    [t('Comparisons asked each time'), number(options.n_human)],
    [t('Ends early'), options.early_stop ? t('when gold or people say so') : t('no; the best is marked')],
    [t('Confidence of the bounds'), percent(options.stop_confidence)],
    [t('Patience, evaluations'), options.stop_patience > 0 ? number(options.stop_patience) : t('no such rule')],
    [t('Margin of gold'), options.stop_margin > 0 ? text(options.stop_margin) : t('no such rule')],
    [t('Seed'), String(options.seed)],
  ];
}

/** Six digits: rates are small, and as code has them. */
const text = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 6, useGrouping: false });

export const isActive = ({ state }: Pick<PolicyRun, 'state'>) => state === 'queued' || state === 'running';
