/** Reading the reports that the engine writes, of its formats 1 and 2: any part may be missing from an older one. */

import type { Stat } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';

export interface Slice {
  bucket: string;
  accuracy: Stat;
  /** Mean probability that it gives to the side that the labellers prefer; null in reports that do not say. */
  predicted: number | null;
  log_loss: number | null;
}

export interface SliceGroup {
  name: string;
  tab: string;
  title: string;
  heading: string;
  rows: Slice[];
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

export interface HardError {
  comparison_id: number | null;
  reward_gap: number;
  soft_preference: number | null;
  agreement: number | null;
  n_ratings: number | null;
  prompt: string;
  chosen: string;
  rejected: string;
}

type Report = Record<string, unknown>;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const objects = (value: unknown) => (Array.isArray(value) ? value.filter(isObject) : []);
const numberOf = (value: unknown) => (typeof value === 'number' ? value : null);
const textOf = (value: unknown) => (typeof value === 'string' ? value : '');

export function isStat(value: unknown): value is Stat {
  return isObject(value) && 'value' in value && typeof value.n === 'number';
}

const BY_INTENSITY = 'intensity';

/** Ways to slice, in the order of their tabs: the place in a report of format 2, and that in one of format 1. */
const SLICES: { name: string; old?: string; tab: string; title: string; heading: string }[] = [
  { name: BY_INTENSITY, old: 'by_intensity', tab: t('Intensity'), title: t('Accuracy by intensity'), heading: t('Intensity') },
  { name: 'agreement', old: 'by_agreement', tab: t('Agreement'), title: t('Accuracy by agreement'), heading: t('Share of ratings that agree') },
  { name: 'source_pair', old: 'by_source', tab: t('Sources'), title: t('Accuracy by source'), heading: t('Preferred · other') },
  { name: 'axis', tab: t('Axis'), title: t('Accuracy by axis'), heading: t('Axis') },
  { name: 'language', tab: t('Language'), title: t('Accuracy by language'), heading: t('Language') },
  { name: 'cluster', tab: t('Cluster'), title: t('Accuracy by cluster of prompts'), heading: t('Cluster') },
  { name: 'batch', tab: t('Batch'), title: t('Accuracy by batch'), heading: t('Sampling round') },
  { name: 'length_difference', tab: t('Length difference'), title: t('Accuracy by difference in length'), heading: t('Length of the preferred one') },
  { name: 'length', old: 'by_length', tab: t('Longer or shorter'), title: t('Accuracy by length'), heading: t('Which is longer') },
  { name: 'hard', tab: t('Hard ones'), title: t('Accuracy on hard comparisons'), heading: t('Kept as hard') },
];

const BUCKETS: Record<string, string> = {
  '1.0': t('all agree'),
  unknown: t('unknown'),
  'preferred is longer': t('preferred is longer'),
  'preferred is shorter': t('preferred is shorter'),
  'equal length': t('equal length'),
  'shorter by more than half': t('shorter by more than half'),
  'shorter by 10 to 50 %': t('shorter by 10 to 50 %'),
  'within 10 %': t('within 10 %'),
  'longer by 10 to 50 %': t('longer by 10 to 50 %'),
  'longer by more than half': t('longer by more than half'),
  hard: t('hard'),
  'not hard': t('not hard'),
};

function slicesOf(value: unknown): Slice[] {
  return objects(value).flatMap((row) =>
    isStat(row.accuracy) && (typeof row.bucket === 'string' || typeof row.bucket === 'number')
      ? [{ bucket: String(row.bucket), accuracy: row.accuracy, predicted: numberOf(row.predicted), log_loss: numberOf(row.log_loss) }]
      : [],
  );
}

/** Accuracy by slice, the groups that the report has. */
export function slices(report: Report): SliceGroup[] {
  const inside = isObject(report.slices) ? report.slices : {};
  return SLICES.map(({ name, old, tab, title, heading }) => {
    const rows = slicesOf(inside[name]);
    return { name, tab, title, heading, rows: rows.length > 0 || !old ? rows : slicesOf(report[old]) };
  }).filter(({ name, rows }) => rows.length > (name === 'hard' ? 1 : 0));
}

/** The same groups with differences of two models in place of accuracies. */
export function differencesBySlice(report: Report): (Omit<SliceGroup, 'rows'> & { rows: { bucket: string; difference: Stat }[] })[] {
  const inside = isObject(report.slices) ? report.slices : {};
  return SLICES.map(({ name, tab, title, heading }) => ({
    name,
    tab,
    title,
    heading,
    rows: objects(inside[name]).flatMap((row) => {
      const bucket = row.bucket;
      if (!isStat(row.difference) || (typeof bucket !== 'string' && typeof bucket !== 'number')) return [];
      return [{ bucket: String(bucket), difference: row.difference }];
    }),
  })).filter(({ rows }) => rows.length > 0);
}

/** A bucket in words; intensities by the project's labels, which begin with the strongest. */
export function bucketText(bucket: string, name: string, intensityLabels: string[]): string {
  if (name === BY_INTENSITY) {
    const label = intensityLabels.at(-Number(bucket));
    if (/^[1-9]\d*$/.test(bucket) && label) return `${bucket}: ${label}`;
  }
  if (name === 'batch' && bucket === '0') return t('not asked for by a round');
  if (bucket === '') return t('unknown');
  const [, low, high] = /^(\d\.\d) to (\d\.\d)$/.exec(bucket) ?? [];
  if (low && high) return t('{{low}} to {{high}}', { low: number(Number(low), 1), high: number(Number(high), 1) });
  if (name === 'source_pair') return bucket.split(' · ').map(inWords).join(' · ');
  return BUCKETS[bucket] ?? inWords(bucket);
}

/** Predicted and observed share of "a preferred" by bin; bins without comparisons are left out. */
export function calibration(report: Report): CalibrationBin[] {
  const bins = isObject(report.calibration) ? report.calibration.bins : report.calibration;
  return objects(bins).flatMap(({ predicted, observed, n }) =>
    typeof predicted === 'number' && typeof observed === 'number' && typeof n === 'number' ? [{ predicted, observed, n }] : [],
  );
}

/** Expected calibration error: a statistic where its interval was computed, a bare number in older reports. */
export function calibrationError(report: Report): { value: number; low: number | null; high: number | null } | null {
  const found = isObject(report.calibration) ? report.calibration : {};
  const ece = isStat(found.ece) ? found.ece : isObject(found.interval) ? { ...found.interval, value: found.ece } : found;
  const value = numberOf('value' in ece ? ece.value : found.ece);
  return value === null ? null : { value, low: numberOf(ece.low), high: numberOf(ece.high) };
}

interface Bin {
  low: number;
  high: number;
  n: number;
}

function histogramBins(report: Report, side: 'chosen' | 'rejected'): Bin[] {
  const found = isObject(report.rewards) && isObject(report.rewards[side]) ? report.rewards[side].histogram : null;
  const { edges, counts } = isObject(found) ? found : {};
  if (!Array.isArray(edges) || !Array.isArray(counts)) return [];
  return counts.map((n, bin) => ({ low: Number(edges[bin]), high: Number(edges[bin + 1]), n: Number(n) })).filter(({ low, high }) => high > low);
}

/** Histograms of rewards on common bins, as rows for a chart: the middle of a bin and the share of each side in it. */
export function rewardHistogram(report: Report, nBins = 24): { reward: number; chosen: number; rejected: number }[] {
  const [chosen, rejected] = [histogramBins(report, 'chosen'), histogramBins(report, 'rejected')];
  if (chosen.length === 0 || rejected.length === 0) return [];
  const all = [...chosen, ...rejected];
  const low = Math.min(...all.map((bin) => bin.low));
  const width = (Math.max(...all.map((bin) => bin.high)) - low) / nBins;
  // A bin's count goes to the new bins by how much of it each covers.
  const shareIn = (bins: Bin[], from: number) => {
    const total = bins.reduce((sum, { n }) => sum + n, 0) || 1;
    return bins.reduce((sum, bin) => {
      const shared = Math.max(0, Math.min(from + width, bin.high) - Math.max(from, bin.low));
      return sum + (bin.n * shared) / (bin.high - bin.low) / total;
    }, 0);
  };
  return Array.from({ length: nBins }, (_, bin) => {
    const from = low + bin * width;
    return { reward: from + width / 2, chosen: shareIn(chosen, from), rejected: shareIn(rejected, from) };
  });
}

/** The comparisons that it gets wrong by the widest gap. */
export function hardErrors(report: Report): HardError[] {
  return objects(report.errors).flatMap((row) => {
    const gap = numberOf(row.reward_gap);
    if (gap === null) return [];
    return [
      {
        comparison_id: numberOf(row.comparison_id),
        reward_gap: gap,
        soft_preference: numberOf(row.soft_preference),
        agreement: numberOf(row.agreement),
        n_ratings: numberOf(row.n_ratings),
        prompt: textOf(row.prompt),
        chosen: textOf(row.chosen),
        rejected: textOf(row.rejected),
      },
    ];
  });
}

/** Validation loss and accuracy over training. */
export function evaluations(report: Report): Evaluation[] {
  const training = isObject(report.training) ? report.training : {};
  return objects(training.evaluations).flatMap(({ step, loss, accuracy }) =>
    typeof step === 'number' && typeof loss === 'number' ? [{ step, loss, accuracy: typeof accuracy === 'number' ? accuracy : NaN }] : [],
  );
}

/** What a job in training says of its loss: "loss 0.612, 40 comparisons/s, …", as the engine writes it. A base that is
 * made first counts in tokens: its loss is another one. */
export function lossIn(message: string): number | null {
  const found = /(?:^|, |: )loss (\d+(?:\.\d+)?), [\d,]+ comparisons\/s/.exec(message)?.[1];
  return found === undefined ? null : Number(found);
}

export interface Age {
  name: 'earlier' | 'fresh';
  own: Stat;
  theirs: Stat;
  /** Own accuracy minus that of the model in use, paired. */
  difference: Stat;
}

/** How the model and the one that was in use do on comparisons from before that one was trained and on those since. */
export function byAge(report: Report): Age[] {
  const incumbent = isObject(report.incumbent) ? report.incumbent : {};
  return (['earlier', 'fresh'] as const).flatMap((name) => {
    const found = isObject(incumbent[name]) ? incumbent[name] : {};
    const { own_accuracy: own, accuracy: theirs, difference } = found;
    return isStat(own) && isStat(theirs) && isStat(difference) && difference.n > 0 ? [{ name, own, theirs, difference }] : [];
  });
}

/** The version that training went on from; null for one that began afresh. */
export function continuedFrom(config: Report): { id: number; version: number } | null {
  const [id, version] = [numberAt(config, 'continued_from', 'id'), numberAt(config, 'continued_from', 'version')];
  return id === null || version === null ? null : { id, version };
}

/** How many comparisons a continued training took, as they are to be read; null where it does not say. */
export function replayed(report: Report): { new: string; again: string; earlier: string } | null {
  const count = (name: string) => numberAt(report, 'training', 'replay', name);
  const [fresh, again, earlier] = [count('n_new'), count('n_replayed'), count('n_earlier')];
  if (fresh === null || again === null || earlier === null) return null;
  return { new: number(fresh), again: number(again), earlier: number(earlier) };
}

function at(report: Report, path: string[]): unknown {
  let value: unknown = report;
  for (const name of path) value = isObject(value) ? value[name] : undefined;
  return value;
}

export function numberAt(report: Report, ...path: string[]): number | null {
  return numberOf(at(report, path));
}

export function statAt(report: Report, ...path: string[]): Stat | null {
  const value = at(report, path);
  return isStat(value) ? value : null;
}

/** Rows as CSV text (RFC 4180). A cell that a spreadsheet would take for a formula is quoted by an apostrophe. */
export function csvOf(head: string[], rows: (string | number | null)[][]): string {
  const cell = (value: string | number | null) => {
    if (value === null) return '';
    const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [head, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** What a refused promotion says is against it. */
export function blocksIn(extra: Report): { code: string; message: string }[] {
  return objects(extra.blocks).flatMap(({ code, message }) =>
    typeof code === 'string' && typeof message === 'string' ? [{ code, message }] : [],
  );
}

/** Language-modelling loss of the trunk before and after training, in nats a token; null where it was not measured. */
export function forgetting(report: Report): { before: number; after: number } | null {
  for (const path of [['forgetting'], ['training', 'forgetting']]) {
    const [before, after] = [numberAt(report, ...path, 'before'), numberAt(report, ...path, 'after')];
    if (before !== null && after !== null) return { before, after };
  }
  return null;
}

/** What is said of an ensemble, as cards: how many members, how far apart they are, how often they vote apart. */
export function ensemble(report: Report): { label: string; value: string }[] {
  const found = isObject(report.ensemble) ? report.ensemble : {};
  const cards: [string, number | null, (value: number) => string][] = [
    [t('Members'), numberAt(found, 'n_members'), (value) => number(value)],
    [t('Spread of the reward gap between members'), numberAt(found, 'mean_std'), (value) => number(value, 3)],
    [t('Comparisons on which a member votes apart'), numberAt(found, 'disagreement') ?? numberAt(found, 'disagreement', 'value'), (value) => percent(value)],
  ];
  return cards.flatMap(([label, value, show]) => (value === null ? [] : [{ label, value: show(value) }]));
}
