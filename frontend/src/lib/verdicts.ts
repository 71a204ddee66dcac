import type { DriftReport } from './api/types';
import { t } from './i18n';

type Verdict = Exclude<DriftReport['verdict'], ''>;

/** What drift reports find. */
export const VERDICTS: Record<Verdict, { label: string; colour: string }> = {
  too_few: { label: t('Too few completions'), colour: 'gray' },
  none: { label: t('No drift found'), colour: 'teal' },
  some: { label: t('Some drift'), colour: 'yellow' },
  strong: { label: t('Strong drift'), colour: 'red' },
};
