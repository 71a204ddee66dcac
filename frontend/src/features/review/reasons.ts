/** Why a comparison is worth a reviewer's time, in words. */

import type { Answer, CrossFittedOpinion, ModelOpinion, WorthReason } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';

export const REASONS: { value: WorthReason; label: string }[] = [
  { value: 'flagged', label: t('Flagged') },
  { value: 'split', label: t('Labellers split') },
  { value: 'probably_mislabelled', label: t('Probably mislabelled') },
  { value: 'model_against', label: t('Model against labellers') },
  { value: 'judge_against', label: t('AI labeller against labellers') },
  { value: 'model_sure', label: t('Labellers split, model sure') },
  { value: 'model_unsure', label: t('Labellers agree, model undecided') },
];

/** What the words are made of: a row of the queue, or a comparison with its answer. */
export interface Evidence {
  n_a: number;
  n_b: number;
  n_ties: number;
  n_flags: number;
  /** Kinds of its open flags, where they are known. */
  flagKinds?: string[];
  model: ModelOpinion | null;
  cross_fitted: CrossFittedOpinion | null;
}

/** What most of the labellers say: the side with more ratings, a tie where neither has. */
function favoured({ n_a, n_b, n_ties }: Evidence): string {
  if (n_ties >= n_a && n_ties >= n_b) return t('a tie');
  return n_a >= n_b ? 'A' : 'B';
}

function flagged({ n_flags, flagKinds = [] }: Evidence): string {
  if (flagKinds.length === 0) return n_flags > 1 ? t('{{count}} flags', { count: n_flags }) : t('Flagged');
  return t('Flagged: {{kinds}}', { kinds: [...new Set(flagKinds)].map(inWords).join(', ') });
}

function split({ n_a, n_b, n_ties }: Evidence): string {
  if (n_ties === 0) return t('Labellers split {{a}} : {{b}}', { a: n_a, b: n_b });
  return t('Labellers split: A {{a}}, B {{b}}, tie {{ties}}', { a: n_a, b: n_b, ties: n_ties });
}

function mislabelled(evidence: Evidence): string {
  const { cross_fitted } = evidence;
  if (!cross_fitted) return t('Probably mislabelled');
  const side = cross_fitted.p_a >= 0.5 ? 'A' : 'B';
  return t('Probably mislabelled: models that did not learn from it are for {{side}} ({{share}}), labellers for {{favoured}}', {
    side, share: percent(Math.max(cross_fitted.p_a, 1 - cross_fitted.p_a), 0), favoured: favoured(evidence),
  });
}

/** One reason, with the numbers it rests on. */
export function reasonInWords(reason: WorthReason, evidence: Evidence): string {
  if (reason === 'flagged') return flagged(evidence);
  if (reason === 'split') return split(evidence);
  if (reason === 'probably_mislabelled') return mislabelled(evidence);
  if (reason === 'judge_against') return t('An AI labeller is sure of the other side, labellers agree on {{agreed}}', { agreed: favoured(evidence) });
  const { model } = evidence;
  if (!model) return REASONS.find(({ value }) => value === reason)?.label ?? inWords(reason);
  const { version } = model;
  const side = model.p_a >= 0.5 ? 'A' : 'B';
  if (reason === 'model_against') {
    return t('Reward model v{{version}} is sure of {{side}}, labellers agree on {{agreed}}', { version, side, agreed: favoured(evidence) });
  }
  if (reason === 'model_sure') return t('Labellers split, reward model v{{version}} is sure of {{side}}', { version, side });
  return t('Labellers agree on {{agreed}}, reward model v{{version}} is undecided: {{share}} for A', {
    agreed: favoured(evidence), version, share: percent(model.p_a, 0),
  });
}

/** The expected intensity with the side it is for; empty where there is no telling. */
export function leaning({ expected_intensity }: Answer): { side: 'A' | 'B'; size: number } | null {
  if (Math.abs(expected_intensity) < 0.05) return null;
  return { side: expected_intensity > 0 ? 'A' : 'B', size: Math.abs(expected_intensity) };
}

/** "A 62 % · B 30 % · tie 8 %". */
export const inShort = ({ p_a, p_b, p_tie }: Answer): string =>
  [`A ${percent(p_a, 0)}`, `B ${percent(p_b, 0)}`, p_tie >= 0.005 && t('tie {{share}}', { share: percent(p_tie, 0) })].filter(Boolean).join(' · ');
