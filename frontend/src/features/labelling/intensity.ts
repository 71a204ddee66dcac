import type { ShownSide } from '@/lib/api/types';

/** One of the answers a labeller can give. A is the completion shown first, B the one shown second. */
export interface Choice {
  id: string;
  keyName: string;
  label: string;
  preferred: ShownSide;
  /** 1 is the weakest; null for a tie. */
  intensity: number | null;
}

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
    };
  };
  const weakestFirst = labels.map((_, position) => position + 1);
  const tie: Choice = { id: 'tie', keyName: 'T', label: 'Tie', preferred: 'tie', intensity: null };
  return [
    ...weakestFirst.toReversed().map((intensity) => side('first', intensity)),
    ...(tiesAllowed ? [tie] : []),
    ...weakestFirst.map((intensity) => side('second', intensity)),
  ];
}

/** A stored rating in words, as it was on its labeller's screen. */
export function verdictOf(rating: { preferred: ShownSide; intensity: number | null }, labels: readonly string[]): string {
  if (rating.preferred === 'tie') return 'Tie';
  const label = rating.intensity === null ? 'preferred' : labels[labels.length - rating.intensity];
  return `${rating.preferred === 'first' ? 'A' : 'B'} ${label ?? `preferred, ${rating.intensity}`}`;
}
