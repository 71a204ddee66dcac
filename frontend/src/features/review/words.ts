/** Verdicts in the words of a project's scale. */

import type { ComparisonDetail, ComparisonRow, StoredSide } from '@/lib/api/types';
import { t } from '@/lib/i18n';

export const STATE_COLOURS: Record<ComparisonRow['state'], string> = {
  open: 'blue',
  complete: 'teal',
  adjudicated: 'grape',
  closed: 'gray',
};

/** Whether this labeller has rated the comparison, also with a rating that was corrected since. */
export function hasRated(comparison: ComparisonDetail, pseudonym: string): boolean {
  return comparison.ratings.some((rating) => rating.labeller.pseudonym === pseudonym);
}

/** The label of an intensity: 1 is the weakest, the project's labels begin with the strongest. */
export function intensityLabel(labels: string[], intensity: number | null): string {
  return intensity === null ? '' : (labels.at(-intensity) ?? t('level {{intensity}}', { intensity }));
}

export function verdict(labels: string[], preferred: StoredSide | 'invalid', intensity: number | null): string {
  if (preferred === 'tie') return t('Tie');
  if (preferred === 'invalid') return t('Not a valid comparison');
  return `${preferred.toUpperCase()} ${intensityLabel(labels, intensity) || t('better')}`;
}
