/** Verdicts in the words of a project's scale. */

import type { ComparisonDetail, ComparisonRow, StoredSide } from '@/lib/api/types';

export const STATE_COLOURS: Record<ComparisonRow['state'], string> = {
  open: 'blue',
  complete: 'teal',
  adjudicated: 'grape',
  closed: 'gray',
};

/** A code of the server as words: "other_model" is "other model". */
export const words = (code: string) => code.replaceAll('_', ' ');

/** Whether this labeller has rated the comparison, also with a rating that was corrected since. */
export function hasRated(comparison: ComparisonDetail, pseudonym: string): boolean {
  return comparison.ratings.some((rating) => rating.labeller.pseudonym === pseudonym);
}

/** The label of an intensity: 1 is the weakest, the project's labels begin with the strongest. */
export function intensityLabel(labels: string[], intensity: number | null): string {
  return intensity === null ? '' : (labels.at(-intensity) ?? `level ${intensity}`);
}

export function verdict(labels: string[], preferred: StoredSide | 'invalid', intensity: number | null): string {
  if (preferred === 'tie') return 'Tie';
  if (preferred === 'invalid') return 'Not a valid comparison';
  return `${preferred.toUpperCase()} ${intensityLabel(labels, intensity) || 'better'}`;
}
