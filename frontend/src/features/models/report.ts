/** Reading the evaluation report that the engine writes; older reports may lack parts. */

import type { Stat } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';

const BY_INTENSITY = t('By intensity');

export interface Slice {
  bucket: string;
  accuracy: Stat;
}

export interface CalibrationBin {
  predicted: number;
  observed: number;
  n: number;
}

export interface Evaluation {
  step: number;
  loss: number;
  accuracy: number;
}

type Report = Record<string, unknown>;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = (value: unknown) => (Array.isArray(value) ? value.filter(isObject) : []);

export function isStat(value: unknown): value is Stat {
  return isObject(value) && 'value' in value && typeof value.n === 'number';
}

const SLICES: { name: string; title: string; tableLabel: string; heading: string }[] = [
  { name: 'by_intensity', title: BY_INTENSITY, tableLabel: t('Accuracy by intensity'), heading: t('Intensity') },
  { name: 'by_agreement', title: t('By agreement'), tableLabel: t('Accuracy by agreement'), heading: t('Share of ratings that agree') },
  { name: 'by_length', title: t('By length'), tableLabel: t('Accuracy by length'), heading: t('Which is longer') },
  { name: 'by_source', title: t('By source'), tableLabel: t('Accuracy by source'), heading: t('Source') },
];

const BUCKETS: Record<string, string> = {
  '1.0': t('all agree'),
  unknown: t('unknown'),
  'preferred is longer': t('preferred is longer'),
  'preferred is shorter': t('preferred is shorter'),
  'equal length': t('equal length'),
};

/** Tables of accuracy by slice, those that the report has. */
export function slices(report: Report): { title: string; heading: string; rows: Slice[] }[] {
  return SLICES.map(({ name, title, heading }) => ({
    title,
    heading,
    rows: objects(report[name]).flatMap((row) =>
      isStat(row.accuracy) && typeof row.bucket === 'string' ? [{ bucket: row.bucket, accuracy: row.accuracy }] : [],
    ),
  })).filter(({ rows }) => rows.length > 0);
}

/** What the table under this title holds, for those who do not see the title. */
export function tableLabel(title: string): string | undefined {
  return SLICES.find((slice) => slice.title === title)?.tableLabel;
}

/** A bucket in words; intensities by the project's labels, which begin with the strongest. */
export function bucketText(bucket: string, title: string, intensityLabels: string[]): string {
  if (title === BY_INTENSITY) {
    const label = intensityLabels.at(-Number(bucket));
    if (/^[1-9]\d*$/.test(bucket) && label) return `${bucket}: ${label}`;
  }
  const [, low, high] = /^(\d\.\d) to (\d\.\d)$/.exec(bucket) ?? [];
  if (low && high) return t('{{low}} to {{high}}', { low: number(Number(low), 1), high: number(Number(high), 1) });
  return BUCKETS[bucket] ?? bucket;
}

/** Predicted and observed share of "a preferred" by bin; bins without comparisons are left out. */
export function calibration(report: Report): CalibrationBin[] {
  const bins = isObject(report.calibration) ? report.calibration.bins : report.calibration;
  return objects(bins).flatMap(({ predicted, observed, n }) =>
    typeof predicted === 'number' && typeof observed === 'number' && typeof n === 'number' ? [{ predicted, observed, n }] : [],
  );
}

/** Validation loss and accuracy over training. */
export function evaluations(report: Report): Evaluation[] {
  const training = isObject(report.training) ? report.training : {};
  return objects(training.evaluations).flatMap(({ step, loss, accuracy }) =>
    typeof step === 'number' && typeof loss === 'number' ? [{ step, loss, accuracy: typeof accuracy === 'number' ? accuracy : NaN }] : [],
  );
}

export function numberAt(report: Report, ...path: string[]): number | null {
  let value: unknown = report;
  for (const name of path) value = isObject(value) ? value[name] : undefined;
  return typeof value === 'number' ? value : null;
}

export function statAt(report: Report, ...path: string[]): Stat | null {
  let value: unknown = report;
  for (const name of path) value = isObject(value) ? value[name] : undefined;
  return isStat(value) ? value : null;
}
