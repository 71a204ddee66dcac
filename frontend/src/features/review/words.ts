/** Verdicts in the words of a project's scale. */

import type { StoredSide } from '@/lib/api/types';

/** The label of an intensity: 1 is the weakest, the project's labels begin with the strongest. */
export function intensityLabel(labels: string[], intensity: number | null): string {
  return intensity === null ? '' : (labels.at(-intensity) ?? `level ${intensity}`);
}

export function verdict(labels: string[], preferred: StoredSide | 'invalid', intensity: number | null): string {
  if (preferred === 'tie') return 'Tie';
  if (preferred === 'invalid') return 'Not a valid comparison';
  return `${preferred.toUpperCase()} ${intensityLabel(labels, intensity) || 'better'}`;
}
