/** The rules of a sampling round and the terms of its choices, in plain words. */

import type { SampledComparison, SamplingOptions } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';

export interface Choice {
  value: string;
  label: string;
  does: string;
}

export const ACQUISITIONS: Choice[] = [
  {
    value: 'dts',
    label: t('two likely best'),
    does: t('One pair of each prompt from the top, whatever head is right. Measured best with the prompts below that are unlike each other.'),
  },
  {
    value: 'disagreement',
    label: t('where the model is unsure'),
    does: t('Pairs on which heads that all fit the ratings so far give different answers. Good where each prompt has one pair.'),
  },
  {
    value: 'bald',
    label: t('where an answer tells most'),
    does: t('Like unsure, but leaves out pairs that are a coin toss to every head: nobody learns from these.'),
  },
  {
    value: 'delta_ucb',
    label: t('where one may be much better'),
    does: t('Pairs with the largest gap that is still plausible. Clear contrasts for fresh completions of a policy.'),
  },
  {
    value: 'drts',
    label: t('a likely best against a likely worst'),
    does: t('One pair of each prompt, drawn by chance weighted with what is known. For prompts with four completions or more.'),
  },
  {
    value: 'gap',
    label: t('where rewards are close'),
    does: t('Pairs whose rewards are nearest. Simple, but many are real ties on which labellers disagree too.'),
  },
  { value: 'random', label: t('drawn at random'), does: t('No preference. The yardstick that every other rule has to beat.') },
];

export const PROMPT_RULES: Choice[] = [
  { value: 'value', label: t('those with the best pairs'), does: t('Prompts come in the order of what their best pair is worth.') },
  { value: 'uniform', label: t('any, by chance'), does: t('Prompts are drawn by chance; the rule above only chooses the pair within each.') },
  { value: 'badge', label: t('uncertain and unlike each other'), does: t('Prompts whose pairs would pull the model in different directions (BADGE).') },
  {
    value: 'v_optimal',
    label: t('that tell most about all others'),
    does: t('Prompts whose answers leave the least doubt about all pairs, each weighed with those before it (V-optimal design).'),
  },
  {
    value: 'bal_pm',
    label: t('uncertain and far from what is labelled'),
    does: t('Weighs doubt by how thinly the prompts around are labelled (BAL-PM). For large, uneven pools.'),
  },
];

export const DIVERSITIES: Choice[] = [
  { value: 'none', label: t('not forced'), does: t('The rules above decide alone.') },
  { value: 'quotas', label: t('shares for clusters of prompts'), does: t('Small clusters get more than their size, so that rare kinds of prompts are asked about too.') },
  { value: 'k_centre', label: t('no prompt far from a labelled one'), does: t('Fills the widest holes first; odd prompts are chosen early.') },
  { value: 'facility_location', label: t('prompts that stand for many others'), does: t('Covers the crowded parts first; odd prompts come last.') },
];

const labelIn = (choices: Choice[], value: string) => choices.find((one) => one.value === value)?.label ?? value;

/** How a round chose, one sentence a rule that differs from doing nothing. */
export function rulesOf(options: SamplingOptions): string[] {
  const told = [t('Pairs: {{rule}}.', { rule: labelIn(ACQUISITIONS, options.acquisition) })];
  if (options.prompt_rule !== 'value') told.push(t('Prompts: {{rule}}.', { rule: labelIn(PROMPT_RULES, options.prompt_rule) }));
  if (options.diversity !== 'none') told.push(t('Spread: {{rule}}.', { rule: labelIn(DIVERSITIES, options.diversity) }));
  if (options.max_cluster_share < 1) {
    told.push(t('No cluster of prompts gets more than {{share}} %.', { share: Math.round(options.max_cluster_share * 100) }));
  }
  told.push(t('{{share}} % at random, as a control.', { share: Math.round(options.random_share * 100) }));
  return told;
}

export const acquisitionWords = (value: string) => labelIn(ACQUISITIONS, value);

const TERMS: Record<string, string> = {
  gap: t('reward gap'),
  disagreement: t('disagreement'),
  bald: t('information'),
  upper: t('better one at best'),
  lower: t('worse one at worst'),
  gradient: t('pull on the model'),
  distance: t('distance to those chosen before'),
  uncertainty: t('doubt about the prompt'),
  entropy: t('thinness of labels around'),
  density: t('distance to its neighbours'),
  reduction: t('doubt it takes from all pairs'),
  gain: t('gain in coverage'),
};

/** "disagreement 0.412 · reward gap −0.031": the terms that have a name, in the order of the list. */
export function whyOf({ terms }: Pick<SampledComparison, 'terms'>): string {
  return Object.entries(TERMS)
    .flatMap(([name, words]) => {
      const value = terms[name];
      return typeof value === 'number' ? [`${words} ${number(value, 3)}`] : [];
    })
    .join(' · ');
}
