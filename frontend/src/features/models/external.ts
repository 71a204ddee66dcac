/** Reading the report on a set from elsewhere, touchstone.external_report/1. */

import type { Stat } from '@/lib/api/types';
import { isObject, isStat, objects } from './report';

export interface ExternalReport {
  categories: { category: string; accuracy: Stat }[];
  /** Mean of the categories' accuracies. */
  byCategory: number | null;
  /** Share of all rows. */
  byRow: number | null;
  /** The first of the lines that were not taken. */
  problems: { line: number; message: string }[];
  nProblems: number;
}

const valueOf = (found: unknown) => (isObject(found) ? found.value : found);
const share = (found: unknown) => {
  const value = valueOf(found);
  return typeof value === 'number' ? value : null;
};

export function externalReport(report: Record<string, unknown>): ExternalReport {
  const overall = isObject(report.accuracy) && !isStat(report.accuracy) ? report.accuracy : {};
  const problems = objects(report.errors).flatMap(({ line, message, reason }) => {
    const why = message ?? reason;
    return typeof line === 'number' && typeof why === 'string' ? [{ line, message: why }] : [];
  });
  return {
    categories: objects(report.categories).flatMap(({ category, accuracy }) =>
      typeof category === 'string' && isStat(accuracy) ? [{ category, accuracy }] : [],
    ),
    byCategory: share(overall.categories ?? report.mean_of_categories),
    byRow: share(overall.rows ?? report.accuracy),
    problems,
    nProblems: typeof report.n_bad_rows === 'number' ? report.n_bad_rows : problems.length,
  };
}
