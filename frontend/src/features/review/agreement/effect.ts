/** What a version of the guidelines did to the disagreement, in words. */

import type { VersionChange } from '@/lib/api/types';
import { number, signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';

/** "lower by 6 points (2 to 10)"; that it cannot be told where the interval holds both a fall and a rise. */
export function effectWords(change: VersionChange | null): string {
  if (change === null) return '–';
  const { verdict, difference } = change;
  const { value, low, high } = difference;
  if (verdict === 'too_few' || value === null || low === null || high === null) return t('too few ratings to tell');
  // Points of per cent; with a decimal where the interval is so narrow that it matters.
  const digits = high - low < 0.05 ? 1 : 0;
  const points = (share: number) => number(Math.abs(share) * 100, digits);
  if (verdict === 'lower') return t('lower by {{points}} points ({{low}} to {{high}})', { points: points(value), low: points(high), high: points(low) });
  if (verdict === 'higher') return t('higher by {{points}} points ({{low}} to {{high}})', { points: points(value), low: points(low), high: points(high) });
  return t('cannot be told ({{low}} to {{high}} points)', { low: signedPoints(low, digits), high: signedPoints(high, digits) });
}

export const EFFECT_COLOURS: Record<VersionChange['verdict'], string> = { lower: 'teal', higher: 'red', unclear: 'gray', too_few: 'gray' };
