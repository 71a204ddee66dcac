/** When a project starts refreshes by itself: the form, in the shape of the request, and the words. */

import type { GenerationChoices, RefreshSchedule } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { configOf, formOf, type Entry, type RefreshForm } from './form';

export interface ScheduleForm {
  is_enabled: boolean;
  on_drift: boolean;
  byRatings: boolean;
  new_ratings: Entry;
  byDays: boolean;
  every_days: Entry;
  config: RefreshForm;
}

const SO_MANY_RATINGS = 200;
const SO_MANY_DAYS = 7;

export function scheduleForm(schedule: RefreshSchedule, choices: GenerationChoices): ScheduleForm {
  // Nothing was set yet: as a refresh by hand would be proposed.
  const config = Object.keys(schedule.config).length > 0 ? schedule.config : null;
  return {
    is_enabled: schedule.is_enabled,
    on_drift: schedule.on_drift,
    byRatings: schedule.new_ratings !== null,
    new_ratings: schedule.new_ratings ?? SO_MANY_RATINGS,
    byDays: schedule.every_days !== null,
    every_days: schedule.every_days ?? SO_MANY_DAYS,
    config: formOf(config, choices),
  };
}

/** What is saved; a trigger that is off has no number, one that is on without a number is the server's to refuse. */
export function scheduleRequest(form: ScheduleForm, before: RefreshSchedule) {
  return {
    is_enabled: form.is_enabled,
    on_drift: form.on_drift,
    new_ratings: form.byRatings ? Number(form.new_ratings) : null,
    every_days: form.byDays ? Number(form.every_days) : null,
    config: configOf(form.config, before.config),
  };
}

const OWN = ['is_enabled', 'on_drift', 'new_ratings', 'every_days'];

/** Where in the form the field of a complaint is: those of the config lie under it. */
export function fieldIn(field: string): string {
  return field === '' || OWN.includes(field) || field === 'config' || field.startsWith('config.') ? field : `config.${field}`;
}

/** "on drift, after 200 new ratings (57 so far), every 7 days"; '' when nothing starts one. */
export function triggersOf({ on_drift, new_ratings, every_days, ratings_since }: RefreshSchedule): string {
  return [
    on_drift && t('on drift'),
    new_ratings !== null &&
      t('after {{count}} new ratings ({{since}} so far)', { count: new_ratings, since: number(ratings_since) }),
    every_days !== null && t('every {{count}} days', { count: every_days }),
  ]
    .filter(Boolean)
    .join(', ');
}
