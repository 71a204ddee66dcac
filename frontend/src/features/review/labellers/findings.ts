/** What stands out of a labeller's figures, in words, and what to do about it. */

import type { Finding, FindingCode, Stat } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

/** "68 % (61–74)". */
export function short({ value, low, high }: Stat): string {
  if (value === null) return '–';
  const range = low === null || high === null ? '' : ` (${number(low * 100, 0)}–${number(high * 100, 0)})`;
  return `${percent(value, 0)}${range}`;
}

/** A difference of shares in points: "18 points (10–26)", without its sign, which the words say. */
function points({ value, low, high }: Stat): string {
  if (value === null) return '–';
  const shown = (share: number) => number(Math.abs(share) * 100, 0);
  const range = low === null || high === null ? '' : ` (${[shown(low), shown(high)].toSorted((a, b) => Number(a) - Number(b)).join('–')})`;
  return t('{{points}} points', { points: shown(value) }) + range;
}

/** In one line, with the figure. */
export function findingTitle({ code, value, version }: Finding): string {
  const isHigh = (value.value ?? 0) >= 0.5;
  switch (code) {
    case 'position_bias':
      return isHigh
        ? t('Prefers the side shown first: {{share}}', { share: short(value) })
        : t('Prefers the side shown second: first in {{share}}', { share: short(value) });
    case 'length_taste':
      return (value.value ?? 0) >= 0
        ? t('Prefers the longer completion more than others: by {{points}}', { points: points(value) })
        : t('Prefers the shorter completion more than others: by {{points}}', { points: points(value) });
    case 'near_chance':
      return t('Agrees with the others hardly more than chance: {{share}}', { share: short(value) });
    case 'too_fast':
      return t('Faster than one can read: {{share}} of the ratings', { share: short(value) });
    case 'changed':
      return version === null
        ? (value.value ?? 0) < 0
          ? t('Agrees less than before: by {{points}}', { points: points(value) })
          : t('Agrees more than before: by {{points}}', { points: points(value) })
        : (value.value ?? 0) < 0
          ? t('Agrees less since version {{version}}: by {{points}}', { version, points: points(value) })
          : t('Agrees more since version {{version}}: by {{points}}', { version, points: points(value) });
    case 'inconsistent':
      return t('Answers anew when asked again: the same in {{share}}', { share: short(value) });
    case 'misses_gold':
      return t('Misses known answers: {{share}} right', { share: short(value) });
  }
}

/** What it means and what to do. */
export const ADVICE: Record<FindingCode, string> = {
  position_bias: t('Sides are drawn at random, so half is what careful reading gives. Ask them to read both before they decide; look at a few of their ratings first.'),
  length_taste: t('Beside others on the same pairs. Say in the guidelines what length is worth, and send them the section.'),
  near_chance: t('Their ratings carry little: pause them, read a few together, and exclude them from exports if it is not a misunderstanding.'),
  too_fast: t('Active time below what the words take to read. Ask how they work; a pause stops further ratings at once.'),
  changed: t('Something is read differently since. See what changed in the guidelines then, and have them qualify anew.'),
  inconsistent: t('The same pairs, sides swapped, answered otherwise. The cases may be close; look whether they hurry.'),
  misses_gold: t('Gold is chosen so that the guidelines settle it. Have them read the guidelines and qualify anew.'),
};

export const FINDING_COLOURS: Record<FindingCode, string> = {
  position_bias: 'orange',
  length_taste: 'orange',
  near_chance: 'red',
  too_fast: 'red',
  changed: 'orange',
  inconsistent: 'orange',
  misses_gold: 'red',
};
