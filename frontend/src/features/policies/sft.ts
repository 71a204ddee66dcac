/** The form that starts an SFT run, in the shape of the request, and what its pages say in words. */

import type { SftCounts, SftOptions, SftRun } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';

type Entry = number | '';
type Numbers = Record<'epochs' | 'learning_rate' | 'max_length' | 'rows_per_step' | 'lora_rank' | 'seed', Entry>;

export interface SftForm extends Numbers {
  base_model: string;
  /** Of a model that is not in the list: a path or a hub id. */
  named: string;
  comparison_set: string;
}

/** In the place of a base model that is typed. */
export const NAMED = 'named';
/** In the place of a comparison set: what people wrote. */
export const PEOPLE = 'people';

const FOLDED: ReadonlySet<string> = new Set(['rows_per_step', 'lora_rank', 'seed']);

/** Whether a complaint is about a field that is folded away. */
export const isFolded = (field: string) => FOLDED.has(field);

export function initialForm({ comparison_set, ...rest }: SftOptions): SftForm {
  return { ...rest, named: '', comparison_set: comparison_set === null ? PEOPLE : String(comparison_set) };
}

export const checks = {
  named: (named: string, { base_model }: SftForm) => (base_model === NAMED && !named.trim() ? t('Enter where the model is.') : null),
};

/** What is sent; empty numbers are left out. */
export function requestOf({ base_model, named, comparison_set, ...numbers }: SftForm): Partial<SftOptions> {
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== '')) as Partial<SftOptions>;
  return {
    ...given,
    base_model: base_model === NAMED ? named.trim() : base_model,
    comparison_set: comparison_set === PEOPLE ? null : Number(comparison_set),
  };
}

export const isActive = ({ state }: SftRun) => state === 'queued' || state === 'running';

export const learnsFrom = ({ comparison_set }: SftOptions) =>
  comparison_set === null ? t('what people wrote') : t('chosen completions of comparison set {{number}}', { number: number(comparison_set) });

const REASONS: Record<string, (n: number) => string> = {
  tie: (count) => t('{{count}} ties', { count }),
  ai: (count) => t('{{count}} by AI labellers', { count }),
  outvoted: (count) => t('{{count}} rejected at least as often as chosen', { count }),
  repeated: (count) => t('{{count}} chosen before', { count }),
  empty: (count) => t('{{count}} empty', { count }),
};

/** What was not taken and why; '' for nothing. */
export function leftOutWords({ left_out, n_unread }: SftCounts): string {
  const parts = Object.entries(left_out).map(([why, n]) => REASONS[why]?.(n) ?? `${number(n)} ${why}`);
  if (n_unread > 0) parts.push(t('{{count}} beyond what a run reads', { count: n_unread }));
  return parts.length > 0 ? t('Left out: {{parts}}.', { parts: parts.join(', ') }) : '';
}

export type Learnt = 'learnt' | 'worse' | 'unknown';

/** Whether the loss on held-out completions fell. */
export function learnt({ report }: SftRun): Learnt {
  const { heldout_before: before, heldout_after: after } = report ?? {};
  if (before === undefined || after === undefined) return 'unknown';
  return after < before ? 'learnt' : 'worse';
}
