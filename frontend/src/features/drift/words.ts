import type { DriftMeasure } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

const NAMES: Record<string, string> = {
  classifier: t('Told apart by a classifier'),
  mmd: t('Distance of features'),
  lengths: t('Lengths of completions'),
  rewards: t('Rewards'),
  outliers: t('Outside the training completions'),
  disagreement: t('Disagreement of heads'),
  prompts: t('Prompts told apart by a classifier'),
  prompt_lengths: t('Lengths of prompts'),
  completions: t('Completions of the same prompts told apart'),
};

const KINDS: Record<string, string> = {
  language: t('Language'),
  cluster: t('Cluster'),
  tag: t('Tag'),
  source: t('Source'),
};

export const nameOf = ({ name }: Pick<DriftMeasure, 'name'>) => NAMES[name] ?? name;
export const kindOf = (kind: string) => KINDS[kind] ?? kind;

/** A measure's number as people read it: shares in per cent, distances with the digits that they have. */
export function shown(name: string, value: number | null): string {
  if (name === 'outliers') return percent(value);
  return number(value, name === 'mmd' ? 4 : 2);
}

export function pText(p: number | null): string {
  if (p === null) return '–';
  return p < 0.001 ? t('< 0.001') : number(p, 3);
}

/** The bounds of each bin: open below in the first and above in the last. */
export function binLabels(edges: number[], digits: number): string[] {
  const text = edges.map((edge) => number(edge, digits));
  const [first, last] = [text[0], text.at(-1)];
  if (first === undefined || last === undefined) return [t('all')];
  return [
    t('up to {{edge}}', { edge: first }),
    ...text.slice(1).map((high, i) => t('{{low}} to {{high}}', { low: text[i] ?? '', high })),
    t('above {{edge}}', { edge: last }),
  ];
}
