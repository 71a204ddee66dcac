/** Days as a chart has them. */

import { daysAfter } from '@/lib/format';

/** Every day from the first to the last; those that nobody rated on with a 0, since a chart shows them too. */
export function everyDay(rows: { date: string; n: number }[]): { at: string; n: number }[] {
  const counts = new Map(rows.map(({ date, n }) => [date, n]));
  const dates = [...counts.keys()].toSorted();
  const last = dates.at(-1);
  const filled: { at: string; n: number }[] = [];
  for (let at = dates[0]; at !== undefined && last !== undefined && at <= last; at = daysAfter(at, 1)) filled.push({ at, n: counts.get(at) ?? 0 });
  return filled;
}
