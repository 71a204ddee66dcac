import { expect, it } from 'vitest';
import { daysWords, deadlineWords, forecastWords, progressOf } from './labelling';

const LABELLING = { n_asked: 100, n_labelled: 45, n_target: 90, ratings_missing: 50, per_day: 12, days: 3, earliest: 2, latest: 5, is_met: false };

it('says in days when it goes on', () => {
  expect(forecastWords(LABELLING)).toBe('It goes on in about 3 days, 2 to 5.');
  expect(daysWords({ days: 1, earliest: null, latest: null })).toBe('about a day');
  expect(daysWords({ days: 4, earliest: 4, latest: 4 })).toBe('about 4 days');
  expect(daysWords({ days: 0, earliest: 0, latest: 1 })).toBe('less than a day, 0 to 1');
});

it('has no forecast where nobody rates, and needs none where enough is labelled', () => {
  expect(forecastWords({ ...LABELLING, per_day: 0, days: null })).toContain('Nobody rated in the last 14 days');
  expect(forecastWords({ ...LABELLING, days: null })).toBe('At this pace it takes years.');
  expect(forecastWords({ ...LABELLING, is_met: true })).toBe('Enough is labelled: it goes on within a minute.');
});

it('names the day at which it goes on whatever is labelled', () => {
  expect(deadlineWords({ max_days: 4 }, '2026-11-28T12:00:00Z')).toBe('At the latest on Dec 2, 2026, with what there is.');
  expect(deadlineWords({ max_days: null }, '2026-11-28T12:00:00Z')).toBe('');
  expect(deadlineWords({ max_days: 4 }, null)).toBe('');
});

it('fills the bar up to the target, and of nothing asked the whole', () => {
  expect(progressOf(LABELLING)).toBe(50);
  expect(progressOf({ n_labelled: 95, n_target: 90 })).toBe(100);
  expect(progressOf({ n_labelled: 0, n_target: 0 })).toBe(100);
});
