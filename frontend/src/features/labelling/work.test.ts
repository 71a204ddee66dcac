import { expect, it } from 'vitest';
import { NO_WORK, withRating } from './work';

const MINUTE = 60_000;
const START = Date.parse('2026-09-01T08:00:00Z');

it('adds up, and begins anew after ten minutes away', () => {
  const first = withRating(NO_WORK, MINUTE, START);
  expect(first).toEqual({ begunAt: START, lastAt: START, activeMs: MINUTE });
  const second = withRating(first, 2 * MINUTE, START + 5 * MINUTE);
  expect(second).toEqual({ begunAt: START, lastAt: START + 5 * MINUTE, activeMs: 3 * MINUTE });
  const third = withRating(second, MINUTE, START + 16 * MINUTE);
  expect(third).toEqual({ begunAt: START + 16 * MINUTE, lastAt: START + 16 * MINUTE, activeMs: MINUTE });
});

it('a pair that takes long is no break', () => {
  const first = withRating(NO_WORK, MINUTE, START);
  expect(withRating(first, 12 * MINUTE, START + 13 * MINUTE).activeMs).toBe(13 * MINUTE);
});
