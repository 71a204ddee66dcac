/** When the work is done, in words. */

import type { Forecast } from '@/lib/api/types';
import { day, dayRange } from '@/lib/format';
import { t } from '@/lib/i18n';

/** "12 December", with the year where it is not this one. */
function longDay(iso: string, now: Date): string {
  const isThisYear = new Date(iso).getUTCFullYear() === now.getUTCFullYear();
  return day(iso, { day: 'numeric', month: 'long', year: isThisYear ? undefined : 'numeric' });
}

export function forecastWords({ n_remaining, per_day, done_on, done_earliest, done_latest }: Forecast, now = new Date()): string {
  if (n_remaining === 0) return t('Nothing is left to rate.');
  if (per_day === 0) return t('No ratings in the last 14 days: no forecast.');
  if (done_on === null) return t('At this pace it takes years.');
  if (done_earliest === null || done_latest === null) return t('Done about {{day}}.', { day: longDay(done_on, now) });
  return t('Done about {{day}} ({{range}}).', { day: longDay(done_on, now), range: dayRange(done_earliest, done_latest, now) });
}
