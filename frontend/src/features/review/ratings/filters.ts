/** What the list of ratings is narrowed to, from the address and in words. */

import type { Project } from '@/lib/api/types';
import { day } from '@/lib/format';
import { t } from '@/lib/i18n';
import { RATING_FILTERS, type RatingFilter } from '@/lib/links';
import { DIMENSIONS, sliceLabel } from '../agreement/slices';

/** The filters in an address; what is empty or not known there is left out. */
export function filtersOf(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(RATING_FILTERS.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value !== ''));
}

/** The address with one filter changed, or removed where the value is empty. */
export function withFilter(query: URLSearchParams, name: RatingFilter, value: string): URLSearchParams {
  const changed = new URLSearchParams(query);
  if (value) changed.set(name, value);
  else changed.delete(name);
  return changed;
}

export const LEVELS: Record<string, string> = {
  unanimous: t('unanimous'),
  majority: t('majority'),
  split: t('split'),
};

interface Names {
  project: Pick<Project, 'intensity_labels' | 'bucket_labels'>;
  /** Labels of slices, by "dimension:key". */
  slices?: Map<string, string>;
  /** Pseudonyms, by the user's id. */
  labellers?: Map<string, string>;
}

/** A filter in words, such as "Labeller: L-07". */
export function filterWords(name: RatingFilter, value: string, { project, slices, labellers }: Names): string {
  const about = (label: string, text: string) => t('{{label}}: {{value}}', { label, value: text });
  switch (name) {
    case 'labeller':
      return about(t('Labeller'), labellers?.get(value) ?? value);
    case 'with':
      return t('also rated by {{labeller}}', { labeller: labellers?.get(value) ?? value });
    case 'version':
      return value === '0' ? t('no guidelines read') : t('Guidelines, version {{version}}', { version: value });
    case 'from':
      return t('from {{day}}', { day: dayOr(value) });
    case 'to':
      return t('until {{day}}', { day: dayOr(value) });
    case 'agreement':
      return about(t('Comparisons'), LEVELS[value] ?? value);
    case 'comparison':
      return t('Comparison {{id}}', { id: value });
    default:
      return about(DIMENSIONS[name], sliceLabel({ dimension: name, key: value, label: slices?.get(`${name}:${value}`) ?? '' }, project));
  }
}

/** Whatever stands in the address. */
function dayOr(value: string): string {
  return Number.isNaN(Date.parse(value)) ? value : day(value);
}

