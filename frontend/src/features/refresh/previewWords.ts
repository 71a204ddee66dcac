/** What a refresh would take and do, in words. */

import type { RefreshPreview } from '@/lib/api/types';
import { money, number, span } from '@/lib/format';
import { t } from '@/lib/i18n';
import { label } from './stages';

/** "300 labels, 2.5 hours of labelling, €50.00, about 3 days": what people have to do; '' when nobody is asked. */
export function labelWords({ labels }: Pick<RefreshPreview, 'labels'>): string {
  if (!labels || labels.n_chosen === 0) return '';
  const { n_labels, hours, cost, currency, days } = labels;
  return [
    t('{{count}} labels', { count: n_labels }),
    hours !== null && t('{{hours}} hours of labelling', { hours: number(hours, 1) }),
    cost !== null && money(cost, currency),
    days !== null && (days < 1 ? t('less than a day') : t('about {{count}} days', { count: Math.round(days) })),
  ]
    .filter(Boolean)
    .join(', ');
}

/** How long computers work: what is known of it. */
export function computeWords({ seconds, stages }: Pick<RefreshPreview, 'seconds' | 'stages'>): string {
  const isUnknown = stages.some((stage) => !stage.skipped && stage.seconds === null && stage.name !== 'label');
  if (!seconds) return isUnknown ? t('How long computing takes is known after the first refresh.') : '';
  return isUnknown
    ? t('Computing takes about {{time}}, besides stages that have never run here.', { time: span(seconds) })
    : t('Computing takes about {{time}}.', { time: span(seconds) });
}

/** Stages that will be left out, those with the same reason together. */
export function skippedGroups({ stages }: Pick<RefreshPreview, 'stages'>): { stages: string; reason: string }[] {
  const byReason = new Map<string, string[]>();
  for (const { name, skipped } of stages) {
    if (skipped) byReason.set(skipped, [...(byReason.get(skipped) ?? []), label(name)]);
  }
  return [...byReason].map(([reason, names]) => ({ stages: names.join(', '), reason }));
}
