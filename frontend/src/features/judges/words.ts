/** What is said of AI labellers, in words. */

import type { ConstitutionVersion, JudgeReport, JudgeScope } from '@/lib/api/types';
import { t } from '@/lib/i18n';

/** Before a judge may count; the server decides by the same number. */
export const NEEDED_COMPARISONS = 100;

export const SCOPES: { value: JudgeScope; label: string }[] = [
  { value: 'rated', label: t('Rated by people, to compare') },
  { value: 'unrated', label: t('Unrated, to train on') },
];

const SLICES: Record<string, string> = {
  intensity: t('Intensity'),
  language: t('Language'),
  source_kinds: t('Kinds of sources'),
  length_difference: t('Difference in length'),
};

export const sliceName = (by: string) => SLICES[by] ?? by;

/** The report, or null where the judge has not been compared with people yet. */
export function reportOf(report: JudgeReport | Record<string, never>): JudgeReport | null {
  return 'kappa' in report ? (report as JudgeReport) : null;
}

/** The newest version that judges may be asked by, and the draft, where there are. */
export function standing(versions: ConstitutionVersion[]): { published?: ConstitutionVersion; draft?: ConstitutionVersion } {
  return {
    published: versions.find(({ published_at }) => published_at !== null),
    draft: versions.find(({ published_at }) => published_at === null),
  };
}

export interface WrittenPrinciple {
  /** Of this page alone: which row of the form it is. */
  key: number;
  text: string;
  axis: string;
  weight: number | '';
}

/** What the form sends: principles without a text are none, a weight that is missing is 1. */
export function draftOf(note: string, principles: WrittenPrinciple[]) {
  return {
    note: note.trim(),
    principles: principles
      .filter(({ text }) => text.trim() !== '')
      .map(({ text, axis, weight }) => ({ text: text.trim(), axis: axis.trim(), weight: weight === '' ? 1 : weight })),
  };
}
