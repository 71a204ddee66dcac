import { describe, expect, it } from 'vitest';
import type { Forecast } from '@/lib/api/types';
import { everyDay } from './days';
import { forecastWords } from './forecast';

// The language's own thin spaces around the dash.
const words = (forecast: Forecast) => forecastWords(forecast, NOW).replaceAll('\u2009', ' ');
const NOW = new Date('2026-11-27T12:00:00Z');
const FORECAST: Forecast = {
  n_remaining: 420,
  n_remaining_comparisons: 140,
  per_day: 30,
  done_on: '2026-12-12',
  done_earliest: '2026-12-09',
  done_latest: '2026-12-18',
};

describe('the forecast', () => {
  it('names the day and the days between which it lies', () => {
    expect(words(FORECAST)).toBe('Done about December 12 (Dec 9 – 18).');
  });

  it('has the years where they are not this one', () => {
    const far = { ...FORECAST, done_on: '2027-02-01', done_earliest: '2026-12-30', done_latest: '2027-04-02' };
    expect(words(far)).toBe('Done about February 1, 2027 (Dec 30, 2026 – Apr 2, 2027).');
  });

  it('goes without an interval where there is none', () => {
    expect(forecastWords({ ...FORECAST, done_earliest: null, done_latest: null }, NOW)).toBe('Done about December 12.');
  });

  it('says that there is none, and why', () => {
    const idle = { ...FORECAST, per_day: 0, done_on: null, done_earliest: null, done_latest: null };
    expect(forecastWords(idle, NOW)).toBe('No ratings in the last 14 days: no forecast.');
  });

  it('names no day that is years away', () => {
    const slow = { ...FORECAST, per_day: 0.1, done_on: null, done_earliest: null, done_latest: null };
    expect(forecastWords(slow, NOW)).toBe('At this pace it takes years.');
  });

  it('says that nothing is left, whatever the pace', () => {
    expect(forecastWords({ ...FORECAST, n_remaining: 0, done_on: null }, NOW)).toBe('Nothing is left to rate.');
  });
});

describe('the days of a chart', () => {
  it('have those without a rating among them, over the end of a month', () => {
    expect(
      everyDay([
        { date: '2026-10-30', n: 4 },
        { date: '2026-11-02', n: 1 },
      ]),
    ).toEqual([
      { at: '2026-10-30', n: 4 },
      { at: '2026-10-31', n: 0 },
      { at: '2026-11-01', n: 0 },
      { at: '2026-11-02', n: 1 },
    ]);
    expect(everyDay([])).toEqual([]);
  });
});
