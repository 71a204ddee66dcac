/** A spec and its buckets in words. */

import type { BucketCount, SetChoices } from '@/lib/api/types';
import { day, number, percent } from '@/lib/format';
import { locale, t } from '@/lib/i18n';
import { inWords } from '@/lib/words';
import { differing, type AiSpec, type SetSpec } from './specForm';

/** What a spec asks for beyond the defaults, one sentence each; ids by their names where these are known. */
export function inSentences(spec: Partial<SetSpec>, intensityLabels: string[], choices?: SetChoices): string[] {
  const said = differing(spec);
  const sourceName = (id: number) => choices?.sources.find((one) => one.id === id)?.name ?? String(id);
  const labellerName = (id: number) => choices?.labellers.find((one) => one.id === id)?.name ?? String(id);
  const {
    min_ratings, min_agreement, low_agreement, hard_weight, min_intensity, ties, rated_from, rated_to, guideline_versions, labellers,
    without_labellers, include_adjudicated, languages, tags, without_tags, source_kinds, sources, max_source_share, max_cluster_share,
    max_comparisons, preference, margins, intensity_weighting, agreement_weighting, ai,
  } = said;
  const sentences: (string | false | undefined)[] = [
    min_ratings !== undefined && t('At least {{count}} ratings each.', { count: min_ratings }),
    min_agreement !== undefined && low_agreement === 'hard' &&
      t('With less than {{share}} agreement kept as hard, at {{weight}} times their weight.', {
        share: percent(min_agreement, 0),
        weight: number(hard_weight ?? 0.5),
      }),
    min_agreement !== undefined && low_agreement !== 'hard' && t('At least {{share}} agreement.', { share: percent(min_agreement, 0) }),
    ties === 'soft' && t('Ties are kept, with a preference of one half.'),
    typeof min_intensity === 'number' && t('At least “{{intensity}}”.', { intensity: intensityName(min_intensity, intensityLabels) }),
    typeof rated_from === 'string' && t('Rated on {{day}} or later.', { day: day(rated_from) }),
    typeof rated_to === 'string' && t('Rated on {{day}} or before.', { day: day(rated_to) }),
    guideline_versions && t('Rated by guidelines {{versions}}.', { versions: listed(guideline_versions.map((version) => `v${version}`)) }),
    labellers && t('Only ratings of {{names}}.', { names: listed(labellers.map(labellerName)) }),
    without_labellers && t('No ratings of {{names}}.', { names: listed(without_labellers.map(labellerName)) }),
    include_adjudicated === false && t('Without comparisons that a reviewer has settled.'),
    languages && t('Languages: {{names}}.', { names: listed(languages.map(languageName)) }),
    tags && t('Tagged {{names}}.', { names: listed(tags) }),
    without_tags && t('Not tagged {{names}}.', { names: listed(without_tags) }),
    source_kinds && t('Kinds of sources: {{names}}.', { names: listed(source_kinds.map(inWords)) }),
    sources && t('Sources: {{names}}.', { names: listed(sources.map(sourceName)) }),
    ...Object.entries(max_source_share ?? {}).map(([kind, share]) => t('At most {{share}} of {{kind}}.', { share: percent(share, 0), kind: inWords(kind) })),
    typeof max_cluster_share === 'number' && t('At most {{share}} of one cluster of prompts.', { share: percent(max_cluster_share, 0) }),
    typeof max_comparisons === 'number' && t('At most {{count}} comparisons.', { count: max_comparisons }),
    preference === 'posterior' && t('Votes count by the reliability of their labellers.'),
    margins === 'large' && t('Large margins, 0 to 3.'),
    margins === 'none' && t('Without margins.'),
    intensity_weighting === 'none' && t('Every preference weighs the same, however strong.'),
    agreement_weighting === 'share' && t('The more they agree, the more it weighs.'),
    ai && ai.use !== 'none' && aiSentence(ai),
  ];
  return sentences.filter((sentence): sentence is string => typeof sentence === 'string');
}

function aiSentence({ use, max_share, weight }: AiSpec): string {
  const numbers = { share: percent(max_share, 0), weight: number(weight) };
  return use === 'all'
    ? t('AI ratings of what people have not rated or too little, at most {{share}} of the set, weight {{weight}}.', numbers)
    : t('AI ratings of what nobody has rated, at most {{share}} of the set, weight {{weight}}.', numbers);
}

const listed = (names: string[]) => new Intl.ListFormat(locale(), { type: 'conjunction' }).format(names);

/** "German" for "de"; a tag that is none as it is. */
export function languageName(tag: string): string {
  if (!tag) return t('unknown');
  try {
    return new Intl.DisplayNames([locale()], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** The label of a level; halves and the like, which have none, as they are. Labels stand from the strongest to the weakest. */
export function intensityName(intensity: number, labels: string[]): string {
  return (Number.isInteger(intensity) && labels.at(-intensity)) || t('level {{intensity}}', { intensity: number(intensity) });
}

const AGREEMENT: Record<string, string> = { unanimous: t('all agree'), most: t('two thirds or more'), less: t('fewer') };

export interface NamedCount {
  name: string;
  n: number;
}

/** The buckets of a preview by their names, in the order in which they are read. */
export function agreementCounts(buckets: BucketCount[]): NamedCount[] {
  return buckets.map(({ bucket, n }) => ({ name: AGREEMENT[bucket] ?? bucket, n }));
}

export function intensityCounts(buckets: BucketCount[], labels: string[]): NamedCount[] {
  return buckets.map(({ bucket, n }) => ({ name: bucket ? intensityName(Number(bucket), labels) : t('none given'), n }));
}

export function kindCounts(buckets: BucketCount[]): NamedCount[] {
  return buckets.map(({ bucket, n }) => ({ name: bucket ? inWords(bucket) : t('unknown'), n }));
}

export function languageCounts(buckets: BucketCount[]): NamedCount[] {
  return buckets.map(({ bucket, n }) => ({ name: languageName(bucket), n }));
}

export function batchCounts(buckets: BucketCount[]): NamedCount[] {
  return buckets.map(({ bucket, n }) => ({
    name: bucket && bucket !== '0' ? t('sampling round {{number}}', { number: bucket }) : t('no sampling round'),
    n,
  }));
}
