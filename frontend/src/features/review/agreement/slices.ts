/** Where the disagreement sits: what the slices are called, and which ratings are in them. */

import type { Dimension, Project, Slice } from '@/lib/api/types';
import { locale, t } from '@/lib/i18n';
import type { RatingFilters } from '@/lib/links';
import { intensityLabel } from '../words';

export const DIMENSIONS: Record<Dimension, string> = {
  source: t('Completion sources'),
  language: t('Language'),
  tag: t('Tags'),
  length: t('Difference in length'),
  intensity: t('Intensity'),
  bucket: t('Second question'),
};

/** By how much the longer completion is longer. */
const LENGTHS: Record<string, string> = {
  similar: t('about as long (up to 1.25×)'),
  '1.25x': t('1.25× to 2× as long'),
  '2x': t('2× to 4× as long'),
  '4x': t('4× as long, or more'),
};

const isDimension = (name: string): name is Dimension => name in DIMENSIONS;

/** The dimension that an address asks for; null: all. */
export function dimensionOf(asked: string | null): Dimension | null {
  return asked !== null && isDimension(asked) ? asked : null;
}

function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([locale()], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** A slice in the reader's language; the server's label where its key says nothing. */
export function sliceLabel({ dimension, key, label }: Pick<Slice, 'dimension' | 'key' | 'label'>, project: Pick<Project, 'intensity_labels' | 'bucket_labels'>): string {
  if (dimension === 'language') return key ? languageName(key) : t('language not known');
  if (dimension === 'tag') return key || t('without a tag');
  if (dimension === 'length') return LENGTHS[key] ?? (label || key);
  if (dimension === 'intensity') return key === '0' ? t('Tie') : intensityLabel(project.intensity_labels, Number(key));
  if (dimension === 'bucket') return project.bucket_labels[Number(key)] ?? (label || key);
  return label || key;
}

/** The ratings of a slice: its key is what the list of ratings is narrowed by. */
export function sliceFilter({ dimension, key }: Pick<Slice, 'dimension' | 'key'>): RatingFilters {
  return { [dimension]: key };
}

/** Those of one dimension, or all that are known here; ranked as they came, by how much of the disagreement they explain. */
export function shown(slices: Slice[], dimension: Dimension | null): Slice[] {
  return slices.filter((slice) => (dimension === null ? isDimension(slice.dimension) : slice.dimension === dimension));
}
