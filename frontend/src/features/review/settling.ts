/** A reviewer's verdict while it is being made, and the steps that follow from it. */

import type { StoredSide, Verdict } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { choicesOf, type Choice } from '@/lib/intensity';

export interface Settling {
  /** Empty while nothing is chosen. */
  verdict: Verdict | '';
  /** 1 is the weakest; null where neither side is better. */
  intensity: number | null;
  note: string;
  section: string;
  isGold: boolean;
  isExample: boolean;
  rationale: string;
  isInQuiz: boolean;
  hasGuidelineNote: boolean;
  guidelineNote: string;
}

export const EMPTY: Settling = {
  verdict: '', intensity: null, note: '', section: '',
  isGold: false, isExample: false, rationale: '', isInQuiz: false, hasGuidelineNote: false, guidelineNote: '',
};

/** Sides stand as they are stored here: A is what a labeller's screen has first. */
const STORED: Record<Choice['preferred'], StoredSide> = { first: 'a', second: 'b', tie: 'tie' };

/** The answers of labelling, on the same keys. A reviewer may find a tie where labellers have to decide. */
export const verdictChoices = (labels: readonly string[]) => choicesOf(labels, true);

export const verdictOfChoice = (choice: Choice): Pick<Settling, 'verdict' | 'intensity'> => ({
  verdict: STORED[choice.preferred],
  intensity: choice.intensity,
});

/** The choice that is chosen; null for "not valid" and for nothing. */
export function chosenOf({ verdict, intensity }: Pick<Settling, 'verdict' | 'intensity'>, choices: readonly Choice[]): Choice | null {
  return choices.find((choice) => STORED[choice.preferred] === verdict && choice.intensity === intensity) ?? null;
}

/** Whether the verdict can be a known answer, or the verdict of a worked example. */
export function canBecome({ verdict }: Pick<Settling, 'verdict'>, tiesAllowed: boolean) {
  const isAnswer = verdict !== '' && verdict !== 'invalid';
  return { gold: isAnswer && (verdict !== 'tie' || tiesAllowed), example: isAnswer };
}

/** What is missing before it can be settled, by field. */
export function missingIn(values: Settling, tiesAllowed: boolean): Partial<Record<keyof Settling, string>> {
  const can = canBecome(values, tiesAllowed);
  return {
    ...(values.verdict === '' && { verdict: t('Choose a verdict first.') }),
    ...(values.isExample && can.example && !values.rationale.trim() && { rationale: t('Write the reason that labellers will read.') }),
    ...(values.hasGuidelineNote && !values.guidelineNote.trim() && { guidelineNote: t('Write what the next guidelines should say.') }),
  };
}

/** What is sent. A step that the verdict does not allow is left out. */
export function bodyOf(values: Settling, tiesAllowed: boolean) {
  const can = canBecome(values, tiesAllowed);
  return {
    preferred: values.verdict,
    intensity: values.intensity,
    note: values.note.trim(),
    guideline_section: values.section,
    then: {
      gold: values.isGold && can.gold,
      worked_example: values.isExample && can.example ? { rationale: values.rationale.trim(), in_quiz: values.isInQuiz } : null,
      guideline_note: values.hasGuidelineNote ? values.guidelineNote.trim() : '',
    },
  };
}

/** The request's fields as they are called in the form, for the server's complaints. */
export const FIELDS: Record<string, keyof Settling> = {
  preferred: 'verdict',
  intensity: 'verdict',
  guideline_section: 'section',
  'then.gold': 'isGold',
  'then.worked_example': 'rationale',
  'then.worked_example.rationale': 'rationale',
  'then.guideline_note': 'guidelineNote',
};
