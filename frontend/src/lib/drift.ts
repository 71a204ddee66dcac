/** What a drift report found, in words. */

import type { DriftReport } from '@/lib/api/types';
import { t } from '@/lib/i18n';

type Verdict = Exclude<DriftReport['verdict'], ''>;

export const VERDICTS: Record<Verdict, { label: string; colour: string }> = {
  too_few: { label: t('Too few completions'), colour: 'gray' },
  none: { label: t('No drift found'), colour: 'teal' },
  some: { label: t('Some drift'), colour: 'yellow' },
  strong: { label: t('Strong drift'), colour: 'red' },
};
