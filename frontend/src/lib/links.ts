/** Pages that features lead to in each other. */

import { withQuery } from './api/client';

/** What the list of ratings can be narrowed to; the names are the API's. */
export const RATING_FILTERS = [
  'agreement', 'labeller', 'with', 'version', 'from', 'to', 'source', 'language', 'tag', 'length', 'intensity', 'bucket', 'comparison',
] as const;
export type RatingFilter = (typeof RATING_FILTERS)[number];
export type RatingFilters = Partial<Record<RatingFilter, string | number>>;

/** The ratings behind a number. */
export function ratingsOf(slug: string, filters: RatingFilters = {}): string {
  return withQuery(`/projects/${slug}/ratings`, filters);
}
