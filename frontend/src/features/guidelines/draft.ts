/** A version of the guidelines that is being written. */

import type { DraftNote, GuidelineDraft, GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { t } from '@/lib/i18n';

export interface Draft {
  body: string;
  change_note: string;
  changes_meaning: boolean;
  examples: WorkedExample[];
  /** What reviewers noted for it while settling comparisons. */
  notes: DraftNote[];
}

/** The next version as far as it is written; else it begins as a copy of the current one. */
export function draftOf(current: GuidelineVersion | null, draft: GuidelineDraft | null): Draft {
  if (draft) {
    const { body, change_note, changes_meaning, examples, notes } = draft;
    return { body, change_note, changes_meaning, examples, notes };
  }
  return { body: current?.body ?? '', change_note: '', changes_meaning: false, examples: current?.examples ?? [], notes: [] };
}

export function emptyExample(n_levels: number): WorkedExample {
  return {
    prompt: '', completion_a: '', completion_b: '', preferred: 'a', intensity: Math.min(2, n_levels), rationale: '', in_quiz: false,
  };
}

const TEXTS = ['prompt', 'completion_a', 'completion_b', 'rationale'] as const;

/** What is missing, by field. */
export function missingIn(draft: Draft): Record<string, string> {
  const missing: Record<string, string> = {};
  const check = (field: string, text: string) => {
    if (!text.trim()) missing[field] = t('Write something here.');
  };
  check('body', draft.body);
  draft.examples.forEach((example, at) => TEXTS.forEach((field) => check(`examples.${at}.${field}`, example[field])));
  return missing;
}

/** How many right answers pass: the server's rule, see n_needed in annotate/guidelines/quiz.py. */
export const neededOf = (n_questions: number, pass_share: number) => Math.ceil(pass_share * n_questions - 1e-9);
