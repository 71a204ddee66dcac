/** What the server sends as codes, in the reader's language. */

import { t } from './i18n';

const WORDS: Record<string, string> = {
  // States of jobs, of the stages of a refresh and of refreshes.
  queued: t('queued'),
  running: t('running'),
  succeeded: t('succeeded'),
  failed: t('failed'),
  cancelled: t('cancelled'),
  cancelling: t('cancelling'),
  pending: t('pending'),
  skipped: t('skipped'),
  waiting: t('waiting for people'),
  // Of sampling rounds.
  labelling: t('being labelled'),
  rated: t('rated'),
  withdrawn: t('withdrawn'),
  nothing_chosen: t('nothing chosen'),
  // Of comparisons, and what is said of them.
  open: t('open'),
  complete: t('complete'),
  adjudicated: t('adjudicated'),
  closed: t('closed'),
  gold: t('gold'),
  quiz: t('asked in a quiz'),
  corrected: t('corrected'),
  repeat: t('repeat'),
  flagged: t('flagged'),
  // Of reward models and comparison sets.
  training: t('training'),
  candidate: t('candidate'),
  promoted: t('promoted'),
  retired: t('retired'),
  writing: t('writing'),
  frozen: t('frozen'),
  // Of members and invitations.
  active: t('active'),
  deactivated: t('deactivated'),
  paused: t('paused'),
  excluded: t('excluded'),
  accepted: t('accepted'),
  revoked: t('revoked'),
  expired: t('expired'),
  passed: t('passed'),
  taken_back: t('taken back'),
  // Roles, kinds of users and where ratings come from.
  labeller: t('labeller'),
  reviewer: t('reviewer'),
  researcher: t('researcher'),
  owner: t('owner'),
  person: t('person'),
  imported: t('imported'),
  simulated: t('simulated'),
  ai: t('ai'),
  // Kinds of completion sources; formats of imported files.
  sft: t('sft'),
  early_policy: t('early policy'),
  current_policy: t('current policy'),
  adversarial: t('adversarial'),
  random: t('random'),
  human: t('human'),
  external: t('external'),
  auto: t('auto'),
  touchstone: t('touchstone'),
  chosen_rejected: t('chosen rejected'),
  transcript: t('transcript'),
  completions: t('completions'),
  // Why comparisons are chosen.
  disagreement: t('disagreement'),
  gap: t('gap'),
  // Why generated completions are dropped.
  empty: t('empty'),
  refused: t('refused'),
  duplicate: t('there already'),
  near_duplicate: t('too alike'),
  candidates: t('candidates'),
  // Flags.
  harmful: t('harmful'),
  personal_data: t('personal data'),
  broken: t('broken'),
  guideline_unclear: t('guideline unclear'),
  other: t('other'),
  // Why comparisons are left out of a set.
  invalid: t('invalid'),
  too_few_ratings: t('too few ratings'),
  tied: t('tied'),
  low_agreement: t('low agreement'),
  filtered: t('not of the chosen kinds'),
  too_weak: t('too weak a preference'),
  too_many: t('too many of one kind'),
  // What jobs count in.
  rows: t('rows'),
  bytes: t('bytes'),
  comparisons: t('comparisons'),
  prompts: t('prompts'),
  tokenizers: t('tokenizers'),
  // Levels of log lines.
  warning: t('warning'),
  error: t('error'),
  // The spec of a comparison set, its values, and options of training.
  min_ratings: t('min ratings'),
  min_agreement: t('min agreement'),
  ties: t('ties'),
  intensity_weighting: t('intensity weighting'),
  include_adjudicated: t('include adjudicated'),
  max_comparisons: t('max comparisons'),
  drop: t('drop'),
  soft: t('soft'),
  scaled_bt: t('scaled_bt'),
  none: t('none'),
  true: t('true'),
  false: t('false'),
  epochs: t('epochs'),
  batch_size: t('batch size'),
  learning_rate: t('learning rate'),
  max_length: t('max length'),
  seed: t('seed'),
};

/** A code in words; one that is not known here as it is, without its underscores. */
export function inWords(code: string): string {
  return WORDS[code] ?? code.replaceAll('_', ' ');
}
