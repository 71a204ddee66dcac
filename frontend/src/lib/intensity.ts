import type { ShownSide } from '@/lib/api/types';
import { t } from '@/lib/i18n';

/** One of the answers a labeller can give. A is the completion shown first, B the one shown second. */
export interface Choice {
  id: string;
  keyName: string;
  label: string;
  preferred: ShownSide;
  /** 1 is the weakest; null for a tie. */
  intensity: number | null;
  isNeitherAcceptable: boolean;
}

/** "Neither is acceptable", whichever is better. */
export const NEITHER: Choice = {
  id: 'neither',
  keyName: '0',
  label: t('Neither is acceptable'),
  preferred: 'tie',
  intensity: null,
  isNeitherAcceptable: true,
};

/** The answers from "A strongest" to "B strongest", on the keys 1 to twice the number of levels, T for a tie. */
export function choicesOf(labels: readonly string[], tiesAllowed: boolean): Choice[] {
  const n_levels = labels.length;
  const side = (preferred: 'first' | 'second', intensity: number): Choice => {
    const name = preferred === 'first' ? 'A' : 'B';
    const key = preferred === 'first' ? n_levels + 1 - intensity : n_levels + intensity;
    return {
      id: `${preferred}-${intensity}`,
      keyName: String(key),
      label: `${name} ${labels[n_levels - intensity] ?? ''}`.trim(),
      preferred,
      intensity,
      isNeitherAcceptable: false,
    };
  };
  const weakestFirst = labels.map((_, position) => position + 1);
  const tie: Choice = {
    id: 'tie', keyName: 'T', label: t('Tie'), preferred: 'tie', intensity: null, isNeitherAcceptable: false,
  };
  return [
    ...weakestFirst.toReversed().map((intensity) => side('first', intensity)),
    ...(tiesAllowed ? [tie] : []),
    ...weakestFirst.map((intensity) => side('second', intensity)),
  ];
}

interface Verdict {
  preferred: ShownSide;
  intensity: number | null;
  is_neither_acceptable?: boolean;
}

/** A stored rating in words, as it was on its labeller's screen. */
export function verdictOf(rating: Verdict, labels: readonly string[]): string {
  if (rating.is_neither_acceptable) return NEITHER.label;
  if (rating.preferred === 'tie') return t('Tie');
  const label = rating.intensity === null ? t('preferred') : labels[labels.length - rating.intensity];
  return `${rating.preferred === 'first' ? 'A' : 'B'} ${label ?? t('preferred, {{intensity}}', { intensity: rating.intensity ?? 0 })}`;
}

/** The choice that a stored rating was. */
export function choiceOf(rating: Verdict, choices: readonly Choice[]): Choice | null {
  if (rating.is_neither_acceptable) return NEITHER;
  return (
    choices.find(({ preferred, intensity }) => preferred === rating.preferred && intensity === rating.intensity) ?? null
  );
}
