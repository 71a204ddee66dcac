/** How far the labelling of a refresh is and when it goes on, in words. */

import type { LabellingOptions, RefreshLabelling } from '@/lib/api/types';
import { date, number } from '@/lib/format';
import { t } from '@/lib/i18n';

const DAY_MS = 86_400_000;

/** "about 3 days, 2 to 5": `earliest` and `latest` are left out where they are not known or say the same. */
export function daysWords({ days, earliest, latest }: Pick<RefreshLabelling, 'days' | 'earliest' | 'latest'>): string {
  if (days === null) return '';
  const about = days < 1 ? t('less than a day') : t('about {{count}} days', { count: Math.round(days) });
  if (earliest === null || latest === null || latest === earliest) return about;
  return t('{{about}}, {{earliest}} to {{latest}}', { about, earliest: number(earliest), latest: number(latest) });
}

/** When it goes on, as far as the pace of the last days says. */
export function forecastWords(labelling: RefreshLabelling): string {
  if (labelling.is_met) return t('Enough is labelled: it goes on within a minute.');
  if (labelling.per_day === 0) return t('Nobody rated in the last 14 days: no forecast. Tell your labellers that there is work.');
  if (labelling.days === null) return t('At this pace it takes years.');
  return t('It goes on in {{when}}.', { when: daysWords(labelling) });
}

/** The day by which it goes on whatever is labelled; '' without a limit. */
export function deadlineWords({ max_days }: Partial<LabellingOptions>, startedAt: string | null): string {
  if (!max_days || !startedAt) return '';
  return t('At the latest on {{day}}, with what there is.', { day: date(new Date(Date.parse(startedAt) + max_days * DAY_MS).toISOString()) });
}

/** Percent of the target, for a bar: full when it is met. */
export function progressOf({ n_labelled, n_target }: Pick<RefreshLabelling, 'n_labelled' | 'n_target'>): number {
  return n_target === 0 ? 100 : Math.min(100, (100 * n_labelled) / n_target);
}
