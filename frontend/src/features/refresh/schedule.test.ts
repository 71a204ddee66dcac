import { expect, it } from 'vitest';
import type { GenerationChoices, RefreshSchedule } from '@/lib/api/types';
import { fieldIn, scheduleForm, scheduleRequest, triggersOf } from './schedule';

const CHOICES: GenerationChoices = { checkpoints: [], endpoints: [], reward_models: [], mix: [], adversarial_system: '' };
const SCHEDULE: RefreshSchedule = {
  is_enabled: true, on_drift: true, new_ratings: 200, every_days: null, config: { candidates: null, spec: { min_ratings: 3 } }, ratings_since: 57,
  next_at: null, due: null, last_reason: '', checked_at: null,
};

it('sends of the triggers those that are on', () => {
  const form = scheduleForm(SCHEDULE, CHOICES);
  expect(form).toMatchObject({ byRatings: true, new_ratings: 200, byDays: false, every_days: 7 });
  expect(scheduleRequest(form, SCHEDULE)).toMatchObject({
    is_enabled: true, on_drift: true, new_ratings: 200, every_days: null, config: { candidates: null, spec: { min_ratings: 3 } },
  });
  expect(scheduleRequest({ ...form, byRatings: false, byDays: true }, SCHEDULE)).toMatchObject({ new_ratings: null, every_days: 7 });
});

it('finds the field of a complaint in the form', () => {
  expect(['new_ratings', 'config.sampling.budget', 'sampling.budget', ''].map(fieldIn)).toEqual([
    'new_ratings', 'config.sampling.budget', 'config.sampling.budget', '',
  ]);
});

it('says what starts a refresh', () => {
  expect(triggersOf({ ...SCHEDULE, every_days: 7 })).toBe('on drift, after 200 new ratings (57 so far), every 7 days');
  expect(triggersOf({ ...SCHEDULE, on_drift: false, new_ratings: null })).toBe('');
});
