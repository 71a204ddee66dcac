/** What one pair still needs before its rating can be sent. */

import type { Judgement, Span } from '@/lib/api/types';
import type { Choice } from '@/lib/intensity';

/** Keys of the second question's answers, by position. */
export const BUCKET_KEYS = ['U', 'I', 'O', 'P', 'K', 'L'] as const;

export interface Draft {
  choice: Choice | null;
  bucket: number | null;
  /** Null while nobody has begun to write. */
  note: string | null;
}

export interface Demands {
  /** How many answers the second question has; 0 where there is none. */
  n_buckets: number;
  justificationMinLength: number;
}

export type Missing = 'choice' | 'bucket' | 'justification';

/** What is missing, in the order in which it is asked for. */
export function missing({ choice, bucket, note }: Draft, { n_buckets, justificationMinLength }: Demands): Missing[] {
  const lacks: [Missing, boolean][] = [
    ['choice', choice === null],
    ['bucket', n_buckets > 0 && bucket === null],
    ['justification', (note ?? '').trim().length < justificationMinLength],
  ];
  return lacks.filter(([, isMissing]) => isMissing).map(([what]) => what);
}

/** Whether all that goes with the answer is as it was. */
export function isAsBefore(before: Judgement, { bucket, note }: Draft, spans: readonly Span[]): boolean {
  const places = (of: readonly Span[]) => of.map(({ side, start, end }) => `${side} ${start} ${end}`).toSorted().join();
  return (
    bucket === (before.bucket ?? null) &&
    (note ?? '').trim() === before.justification.trim() &&
    places(spans) === places(before.spans ?? [])
  );
}
