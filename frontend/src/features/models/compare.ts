/** Reading the report on two models, touchstone.reward_comparison/1. Differences are b − a. */

import type { Stat } from '@/lib/api/types';
import { signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';
import { isObject, isStat, numberAt, objects } from './report';

export interface Difference {
  comparison_id: number | null;
  a_gap: number | null;
  b_gap: number | null;
  prompt: string;
  chosen: string;
  rejected: string;
}

type Report = Record<string, unknown>;
const numberOf = (value: unknown) => (typeof value === 'number' ? value : null);
const textOf = (value: unknown) => (typeof value === 'string' ? value : '');

/** The comparisons on which the two part, those with the widest gap first as the engine has them. */
export function partings(report: Report): Difference[] {
  return objects(report.differences).map((row) => ({
    comparison_id: numberOf(row.comparison_id),
    a_gap: numberOf(row.reward_gap_a ?? row.gap_a),
    b_gap: numberOf(row.reward_gap_b ?? row.gap_b),
    prompt: textOf(row.prompt),
    chosen: textOf(row.chosen),
    rejected: textOf(row.rejected),
  }));
}

/** Which of the two ranks better, where the interval of the difference says so. */
export function better(difference: Stat): 'a' | 'b' | null {
  if (difference.low === null || difference.high === null) return null;
  if (difference.low > 0) return 'b';
  return difference.high < 0 ? 'a' : null;
}

/** "−1.2 to +4.0" in points of per cent. */
export const pointRange = ({ low, high }: Stat) =>
  low === null || high === null ? '' : t('{{low}} to {{high}}', { low: signedPoints(low, 1), high: signedPoints(high, 1) });

/** How much better b is than a, with the interval. */
export function pointsText(difference: Stat, a: string, b: string): string {
  const range = pointRange(difference);
  return [
    difference.value !== null && t('{{b}} minus {{a}}: {{points}} points', { a, b, points: signedPoints(difference.value, 1) }),
    range && t('95 % interval {{range}}', { range }),
  ]
    .filter(Boolean)
    .join(', ');
}

/** Expected calibration error of one side. */
export function errorOf(report: Report, side: 'a' | 'b'): number | null {
  const found = isObject(report[side]) ? report[side] : {};
  return numberAt(found, 'calibration', 'ece') ?? numberAt(found, 'calibration', 'ece', 'value') ?? numberAt(found, 'ece');
}

/** How often the two prefer the same side. */
export function agreementOf(report: Report): number | null {
  return isStat(report.agreement) ? report.agreement.value : numberAt(report, 'agreement', 'share', 'value') ?? numberAt(report, 'agreement', 'share') ?? numberOf(report.agreement);
}
