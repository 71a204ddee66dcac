/** What the timeline's chart and tables show, from what the server tells of each refresh. */

import { rangeOf } from '@/components/StatValue';
import type { RefreshTimeline, Stat, TimelineCell, TimelineModel, TimelineRefresh } from '@/lib/api/types';
import { number, percent, signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';

/** A level of intensity, 1 the weakest; null for all of them together. */
export type Level = number | null;

export type Judged = TimelineRefresh & { model: TimelineModel };

/** The refreshes whose models have been judged on held-out comparisons, oldest first. */
export const judged = ({ refreshes }: RefreshTimeline): Judged[] =>
  refreshes.filter((row): row is Judged => !!row.model && row.model.accuracy.value !== null);

/** The levels that any of the models was judged by, the strongest first. */
export function levelsOf(rows: Judged[]): number[] {
  const found = rows.flatMap(({ model }) => [...model.levels, ...model.batches].map(({ intensity }) => intensity));
  return [...new Set(found)].filter((level) => level !== null).toSorted((one, other) => other - one);
}

/** The level that an address names, if there is such a one. */
export function levelIn(text: string | null, levels: number[]): Level {
  const level = Number(text);
  return levels.includes(level) ? level : null;
}

/** A level by the project's labels, which begin with the strongest. */
export const levelText = (level: Level, labels: string[]) =>
  level === null ? t('All intensities') : (labels.at(-level) ?? t('Intensity {{level}}', { level }));

/** A model's accuracy at a level over all of its batches. */
export const accuracyAt = ({ model }: Judged, level: Level): Stat | null =>
  level === null ? model.accuracy : (model.levels.find(({ intensity }) => intensity === level)?.stat ?? null);

/** The name of a line in the chart's data. */
export const lineOf = (level: Level) => (level === null ? 'all' : `level-${level}`);

export type Point = { refresh: string; row: Judged; interval: [number, number] | null } & Record<string, unknown>;

/** A point for each judged refresh: a value for each line, and the interval of the one that is looked at. */
export function points(rows: Judged[], levels: number[], chosen: Level): Point[] {
  return rows.map((row) => {
    const at = accuracyAt(row, chosen);
    const lines = [null, ...levels].map((level) => [lineOf(level), accuracyAt(row, level)?.value ?? null]);
    return {
      ...Object.fromEntries(lines),
      refresh: String(row.number),
      row,
      interval: at?.low == null || at.high === null ? null : [at.low, at.high],
    };
  });
}

/** Where the chart begins: a step of a tenth below its points and its band, and never above the coin toss. */
export function lowest(rows: Judged[], levels: number[], chosen: Level): number {
  const values = rows.flatMap((row) => [null, ...levels].flatMap((level) => accuracyAt(row, level)?.value ?? []));
  const band = rows.flatMap((row) => accuracyAt(row, chosen)?.low ?? []);
  return Math.max(0, Math.floor(Math.min(0.5, ...values, ...band) * 10) / 10);
}

/** How a model does on a batch; null where it was not judged on it, which later batches are not. */
export const cellOf = ({ model }: Judged, batch: number, level: Level): TimelineCell | null =>
  model.batches.find((cell) => cell.batch === batch && cell.intensity === level) ?? null;

export const batchText = (batch: number) => (batch === 0 ? t('not asked for by a round') : t('Round {{number}}', { number: batch }));

/** "+4.2 points (−1.0 to +9.4)" of a difference of shares. */
export function differenceText({ value, low, high }: Stat): string {
  if (value === null) return t('too few');
  const text = t('{{difference}} points', { difference: signedPoints(value, 1) });
  return low === null || high === null ? text : `${text} (${t('{{low}} to {{high}}', { low: signedPoints(low, 1), high: signedPoints(high, 1) })})`;
}

/** All about a cell of the table of batches, for whoever points at it or hears it. */
export function aboutCell(row: Judged, batch: number, level: Level, labels: string[]): string {
  const where = [`v${row.model.version}`, batchText(batch), level !== null && levelText(level, labels)].filter(Boolean).join(', ');
  const cell = cellOf(row, batch, level);
  if (!cell || cell.stat.value === null) return t('{{where}}: not judged', { where });
  const { stat, difference } = cell;
  const range = rangeOf(stat);
  const parts = [
    percent(stat.value),
    range && t('95 % interval {{range}}', { range }),
    t('{{count}} comparisons', { count: stat.n }),
    stat.too_few && t('too few to rely on'),
    difference && row.model.incumbent && t('{{difference}} to v{{version}}', { difference: differenceText(difference), version: row.model.incumbent.version }),
  ];
  return `${where}: ${parts.filter(Boolean).join('; ')}`;
}

/** How strongly an accuracy is tinted, and which way: ½, the coin toss, not at all. */
export function tintOf(value: number | null): { side: 'high' | 'low' | 'none'; share: number } {
  if (value === null) return { side: 'none', share: 0 };
  return { side: value < 0.5 ? 'low' : 'high', share: Math.min(1, Math.abs(value - 0.5) * 2) };
}

/** What the refresh's own batch says of its model and of the one before: the proof that it was worth its labels. */
export function onItsOwn(row: TimelineRefresh): TimelineCell | null {
  return row.model?.batches.find(({ batch, intensity }) => batch === row.round?.number && intensity === null) ?? null;
}

/** Labels, hours and amounts of all refreshes together; the amount in the one currency there is. */
export function totals(rows: TimelineRefresh[]): { n_labels: number; hours: number | null; amount: number | null; currency: string } {
  const costs = rows.flatMap(({ cost }) => cost ?? []);
  const hours = costs.flatMap((cost) => cost.hours ?? []);
  const amounts = costs.flatMap(({ amount }) => (amount === null ? [] : Number(amount)));
  const sum = (values: number[]) => (values.length ? values.reduce((total, value) => total + value, 0) : null);
  return {
    n_labels: costs.reduce((total, { n_labels }) => total + n_labels, 0),
    hours: sum(hours),
    amount: sum(amounts),
    currency: costs[0]?.currency ?? '',
  };
}

/** "0.5", "12.3": hours as people read them. */
export const hoursText = (hours: number | null) => number(hours, 1);
