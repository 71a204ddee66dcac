import { describe, expect, it } from 'vitest';
import type { RefreshTimeline, Stat, TimelineCell, TimelineModel, TimelineRefresh } from '@/lib/api/types';
import {
  aboutCell, accuracyAt, cellOf, differenceText, judged, levelIn, levelsOf, levelText, lowest, onItsOwn, points, tintOf, totals, type Judged,
} from './timeline';

const LABELS = ['significantly better', 'better', 'slightly better'];
const NBSP = '\u00a0';

const stat = (value: number | null, changes: Partial<Stat> = {}): Stat => ({
  value,
  low: value === null ? null : value - 0.05,
  high: value === null ? null : value + 0.05,
  n: value === null ? 0 : 100,
  too_few: value === null,
  ...changes,
});
const cell = (batch: number, intensity: number | null, value: number, difference: Stat | null = null): TimelineCell => ({ batch, intensity, stat: stat(value), difference });

const model = (changes: Partial<TimelineModel> = {}): TimelineModel => ({
  id: 30,
  version: 3,
  state: 'promoted',
  accuracy: stat(0.7),
  incumbent: null,
  levels: [],
  batches: [],
  ...changes,
});
const refresh = (number: number, changes: Partial<TimelineRefresh> = {}): TimelineRefresh => ({
  id: 100 + number,
  number,
  name: '',
  state: 'succeeded',
  trigger: 'hand',
  started_at: '2026-11-01T00:00:00Z',
  finished_at: '2026-11-01T02:00:00Z',
  model: model(),
  agreement: null,
  drift: null,
  round: null,
  cost: null,
  ...changes,
});
const timeline = (refreshes: TimelineRefresh[]): RefreshTimeline => ({ refreshes, n_refreshes: refreshes.length, batches: [], n_batches: 0 });
const judgedOf = (...refreshes: TimelineRefresh[]): Judged[] => judged(timeline(refreshes));

describe('which refreshes are judged', () => {
  it('leaves out those without a model, and models that nobody has judged yet', () => {
    const rows = judgedOf(refresh(1), refresh(2, { model: null }), refresh(3, { model: model({ accuracy: stat(null) }) }));
    expect(rows.map(({ number }) => number)).toEqual([1]);
  });
});

describe('levels', () => {
  const rows = judgedOf(
    refresh(1, { model: model({ levels: [{ intensity: 1, stat: stat(0.6) }] }) }),
    refresh(2, { model: model({ levels: [{ intensity: 3, stat: stat(0.9) }], batches: [cell(0, null, 0.7), cell(0, 2, 0.7)] }) }),
  );

  it('are those of any model and any batch, the strongest first', () => {
    expect(levelsOf(rows)).toEqual([3, 2, 1]);
  });

  it('are named by the project, whose labels begin with the strongest', () => {
    expect([3, 2, 1].map((level) => levelText(level, LABELS))).toEqual(LABELS);
    expect(levelText(4, LABELS)).toBe('Intensity 4');
    expect(levelText(null, LABELS)).toBe('All intensities');
  });

  it('are chosen by the address, where there is such a one', () => {
    expect(levelIn('2', [3, 2])).toBe(2);
    expect(['4', '', 'x', null].map((text) => levelIn(text, [3, 2]))).toEqual([null, null, null, null]);
  });
});

describe('the chart', () => {
  const rows = judgedOf(
    refresh(1, { model: model({ accuracy: stat(0.6), levels: [{ intensity: 2, stat: stat(0.8) }] }) }),
    refresh(4, { model: model({ accuracy: stat(0.65), levels: [{ intensity: 1, stat: stat(0.55, { low: null, high: null }) }] }) }),
  );

  it('has a value for each line, and a gap where a model was not judged at that level', () => {
    expect(points(rows, [2, 1], null).map((point) => [point.refresh, point['all'], point['level-2'], point['level-1']])).toEqual([
      ['1', 0.6, 0.8, null],
      ['4', 0.65, null, 0.55],
    ]);
  });

  it('has the interval of the line that is looked at, none where there is none', () => {
    expect(points(rows, [2, 1], null).map(({ interval }) => interval)).toEqual([[0.6 - 0.05, 0.6 + 0.05], [0.65 - 0.05, 0.65 + 0.05]]);
    expect(points(rows, [2, 1], 2).map(({ interval }) => interval)).toEqual([[0.8 - 0.05, 0.8 + 0.05], null]);
    expect(points(rows, [2, 1], 1).map(({ interval }) => interval)).toEqual([null, null]);
  });

  it('begins at the coin toss, and lower where a value or the band lies lower', () => {
    expect(lowest(rows, [2, 1], null)).toBe(0.5);
    expect(lowest(judgedOf(refresh(1, { model: model({ accuracy: stat(0.48) }) })), [], null)).toBe(0.4);
    expect(lowest([], [], null)).toBe(0.5);
  });

  it('does not make room for intervals that it does not show', () => {
    const wide = judgedOf(refresh(1, { model: model({ levels: [{ intensity: 1, stat: stat(0.6, { low: 0.13 }) }] }) }));
    expect(lowest(wide, [1], null)).toBe(0.5);
    expect(lowest(wide, [1], 1)).toBe(0.1);
  });

  it('takes all batches of a level together', () => {
    const [first] = rows;
    expect(first && accuracyAt(first, 2)?.value).toBe(0.8);
    expect(first && accuracyAt(first, 1)).toBeNull();
  });
});

describe('a cell', () => {
  const difference = stat(0.042, { low: -0.01, high: 0.094 });
  const [row] = judgedOf(
    refresh(2, {
      model: model({ incumbent: { id: 9, version: 2, difference }, batches: [cell(0, null, 0.7), cell(2, null, 0.8, difference), cell(2, 3, 0.9)] }),
      round: { id: 5, number: 2, n_asked: 10, n_labelled: 9, n_labels: 20, accuracy: { chosen: stat(0.4), random: stat(0.6) }, agreement: stat(0.9) },
    }),
  ) as [Judged];

  it('is of one batch and one level', () => {
    expect(cellOf(row, 2, null)?.stat.value).toBe(0.8);
    expect(cellOf(row, 2, 3)?.stat.value).toBe(0.9);
    expect(cellOf(row, 2, 1)).toBeNull();
    expect(cellOf(row, 7, null)).toBeNull();
  });

  it('says all about itself', () => {
    expect(aboutCell(row, 2, null, LABELS)).toBe(
      `v3, Round 2: 80.0${NBSP}%; 95 % interval 75.0${NBSP}% to 85.0${NBSP}%; 100 comparisons; +4.2 points (−1.0 to +9.4) to v2`,
    );
    expect(aboutCell(row, 2, 3, LABELS)).toMatch(/^v3, Round 2, significantly better: 90\.0/);
    expect(aboutCell(row, 0, null, LABELS)).toMatch(/^v3, not asked for by a round: 70\.0/);
  });

  it('says that the model was not judged', () => {
    expect(aboutCell(row, 7, null, LABELS)).toBe('v3, Round 7: not judged');
  });

  it('says where it rests on too little', () => {
    const few = { ...row, model: model({ batches: [{ ...cell(1, null, 0.5), stat: stat(0.5, { n: 4, low: null, high: null, too_few: true }) }] }) };
    expect(aboutCell(few, 1, null, LABELS)).toBe(`v3, Round 1: 50.0${NBSP}%; 4 comparisons; too few to rely on`);
  });

  it('is the refresh’s own where its round asked for the batch', () => {
    expect(onItsOwn(row)).toMatchObject({ batch: 2, intensity: null });
    expect(onItsOwn({ ...row, round: null })).toBeNull();
    expect(onItsOwn({ ...row, model: null })).toBeNull();
  });
});

it('tints by the distance from the coin toss', () => {
  expect([0.5, 1, 0.75, 0.25, 0].map(tintOf)).toEqual([
    { side: 'high', share: 0 },
    { side: 'high', share: 1 },
    { side: 'high', share: 0.5 },
    { side: 'low', share: 0.5 },
    { side: 'low', share: 1 },
  ]);
  expect(tintOf(null)).toEqual({ side: 'none', share: 0 });
});

it('gives differences in points with their interval', () => {
  expect(differenceText(stat(-0.03, { low: -0.06, high: 0 }))).toBe('−3.0 points (−6.0 to 0.0)');
  expect(differenceText(stat(0.03, { low: null, high: null }))).toBe('+3.0 points');
  expect(differenceText(stat(null))).toBe('too few');
});

it('adds up labels, hours and amounts, and says nothing where nothing is known', () => {
  const cost = { n_labels: 10, n_untimed: 0, hours: 0.5, amount: '7.50', currency: 'EUR' };
  const rows = [refresh(1, { cost }), refresh(2, { cost: { ...cost, n_labels: 5, hours: null, amount: null } }), refresh(3)];
  expect(totals(rows)).toEqual({ n_labels: 15, hours: 0.5, amount: 7.5, currency: 'EUR' });
  expect(totals([refresh(3)])).toEqual({ n_labels: 0, hours: null, amount: null, currency: '' });
});
