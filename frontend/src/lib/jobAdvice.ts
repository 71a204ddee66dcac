/** What to do about a job that failed, by the code of its error. The server's message says why it failed. */

import { t } from './i18n';

const FILE = t('Correct the file and import it anew; what is in already is not doubled.');
const MODEL = t('Put the model where the worker can read it and retry, or start anew with another base model.');

const ENDPOINT = t('See whether the endpoint runs; a retry goes on from where it stopped.');

const ADVICE: Record<string, string> = {
  internal_error: t('A retry goes on from the last checkpoint. If it fails again, tell your administrator.'),
  engine_died: t('A retry goes on from the last checkpoint. If it ends again, use a smaller batch or give the worker more memory.'),
  diverged: t('Start anew with a lower learning rate.'),
  base_model_not_found: MODEL,
  base_model_unsafe: MODEL,
  model_not_found: MODEL,
  model_broken: MODEL,
  empty_file: FILE,
  unreadable_file: FILE,
  unknown_format: FILE,
  input_not_found: t('Start it anew with a file that is there.'),
  input_changed: t('Start it anew: rows of two inputs are not mixed.'),
  version_not_served: t('Promote a model, then retry or start anew.'),
  scorer_unavailable: t('See whether the scorer runs; a retry goes on from where it stopped.'),
  too_many_bad_rows: t('Correct the rows that are named and score the file anew.'),
  endpoint_unreachable: ENDPOINT,
  endpoint_busy: ENDPOINT,
  endpoint_failed: ENDPOINT,
  endpoint_unauthorised: t('Ask your operator to set the token of the endpoint, then retry.'),
  endpoint_refused: t('Start anew with what the endpoint takes; its words say what it does not.'),
  endpoint_malformed: t('Ask your operator whether the address is that of an OpenAI-compatible endpoint.'),
  no_prompts: t('Import prompts, or start anew and ask for less.'),
  source_gone: t('Start anew with sources that are there.'),
  too_few_comparisons: t('Rate more comparisons and retry, or change its comparison set to ask less of them.'),
  refresh_running: t('Retry when the other refresh has ended.'),
};

export function jobAdvice(code: string): string {
  return ADVICE[code] ?? t('When the cause is gone, a retry goes on from where it stopped.');
}
