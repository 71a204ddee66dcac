/** Reading the evaluation report that the engine writes; older reports may lack parts. */

import type { Stat } from '@/lib/api/types';

const BY_INTENSITY = 'By intensity';

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

const SLICES: { name: string; title: string; heading: string }[] = [
  { name: 'by_intensity', title: BY_INTENSITY, heading: 'Intensity' },
  { name: 'by_agreement', title: 'By agreement', heading: 'Share of ratings that agree' },
  { name: 'by_length', title: 'By length', heading: 'Which is longer' },
  { name: 'by_source', title: 'By source', heading: 'Source' },
];

/** Tables of accuracy by slice, those that the report has. */
export function slices(report: Report): { title: string; heading: string; rows: Slice[] }[] {
  return SLICES.map(({ name, ...texts }) => ({
    ...texts,
    rows: objects(report[name]).flatMap((row) =>
      isStat(row.accuracy) && typeof row.bucket === 'string' ? [{ bucket: row.bucket, accuracy: row.accuracy }] : [],
    ),
  })).filter(({ rows }) => rows.length > 0);
}

/** A bucket in words; intensities by the project's labels, which begin with the strongest. */
export function bucketText(bucket: string, title: string, intensityLabels: string[]): string {
  if (title === BY_INTENSITY) {
    const label = intensityLabels.at(-Number(bucket));
    return /^[1-9]\d*$/.test(bucket) && label ? `${bucket}: ${label}` : bucket;
  }
  return bucket === '1.0' ? 'all agree' : bucket;
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
