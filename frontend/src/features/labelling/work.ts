/** How long a labeller has worked without a break. */

/** Away for as long as this counts as a break. */
const BREAK_MS = 10 * 60_000;

export interface Work {
  /** When the first rating since the last break was made, in milliseconds since the epoch; 0 before any. */
  begunAt: number;
  /** When the latest one was made. */
  lastAt: number;
  /** Active time on the ratings since the last break. */
  activeMs: number;
}

export const NO_WORK: Work = { begunAt: 0, lastAt: 0, activeMs: 0 };

/** Count a rating that was made now. A long pair is no break: only the time that was not spent on it is. */
export function withRating(work: Work, activeMs: number, now: number): Work {
  const awayMs = now - work.lastAt - activeMs;
  if (awayMs >= BREAK_MS) return { begunAt: now, lastAt: now, activeMs };
  return { ...work, lastAt: now, activeMs: work.activeMs + activeMs };
}
