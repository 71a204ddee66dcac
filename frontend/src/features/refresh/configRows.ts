/** What a refresh was started with, in words. */

import type { MixRow, RefreshConfig } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { acquisitionWords, DIVERSITIES, PROMPT_RULES } from '@/lib/sampling/rules';
import { inWords } from '@/lib/words';

const text = (value: unknown) => (typeof value === 'number' ? value.toLocaleString('en', { maximumSignificantDigits: 6, useGrouping: false }) : String(value));
const yesOrNo = (value: boolean) => (value ? t('yes') : t('no'));

function writer({ source, kind, n, temperature }: MixRow): string {
  if (source === 'pool') return t('{{n}} × {{source}}', { n, source: inWords(kind) });
  const name =
    source === 'builtin'
      ? t('built-in model')
      : source.startsWith('checkpoint:')
        ? t('checkpoint {{id}}', { id: source.slice('checkpoint:'.length) })
        : source.slice(source.indexOf(':') + 1);
  return t('{{n}} × {{source}} at {{temperature}}', { n, source: name, temperature: number(temperature) });
}

type Row = [string, string];

function asking({ ask, candidates, sampling, labelling }: RefreshConfig): Row[] {
  if (ask === false) return [[t('New ratings'), t('not asked for')]];
  const rows: Row[] = [];
  if (candidates) {
    rows.push([t('New completions for'), t('{{count}} prompts', { count: candidates.n_prompts })]);
    rows.push([t('Written by'), candidates.mix.map(writer).join(', ')]);
  } else {
    rows.push([t('New completions'), t('none')]);
  }
  if (sampling) {
    const { budget, random_share, acquisition, prompt_rule, diversity } = sampling;
    if (acquisition) rows.push([t('Pairs chosen by'), acquisitionWords(acquisition)]);
    const prompts = PROMPT_RULES.find(({ value }) => value === prompt_rule);
    if (prompts) rows.push([t('Prompts chosen by'), prompts.label]);
    const spread = DIVERSITIES.find(({ value }) => value === diversity);
    if (spread && diversity !== 'none') rows.push([t('Spread over the pool'), spread.label]);
    if (budget !== undefined) rows.push([t('Comparisons to ask for'), number(budget)]);
    if (random_share !== undefined) rows.push([t('Of them at random'), percent(random_share, 0)]);
  }
  if (labelling?.target_share !== undefined) rows.push([t('Goes on when labelled'), percent(labelling.target_share, 0)]);
  if (labelling?.max_days) rows.push([t('At the latest after'), t('{{count}} days', { count: labelling.max_days })]);
  return rows;
}

function specRows({ spec = {} }: RefreshConfig): Row[] {
  const rows: Row[] = [];
  if (spec.min_ratings !== undefined) rows.push([t('Ratings a comparison needs'), number(spec.min_ratings)]);
  if (spec.min_agreement !== undefined) rows.push([t('Least agreement'), percent(spec.min_agreement, 0)]);
  if (spec.ties) rows.push([t('Ties'), spec.ties === 'drop' ? t('left out') : t('kept')]);
  if (spec.intensity_weighting) rows.push([t('Weight by intensity'), spec.intensity_weighting === 'scaled_bt' ? t('scaled') : t('none')]);
  if (spec.include_adjudicated !== undefined) rows.push([t('Settled comparisons count'), yesOrNo(spec.include_adjudicated)]);
  if (spec.max_comparisons) rows.push([t('Comparisons at most'), number(spec.max_comparisons)]);
  return rows;
}

function trainingRows({ training = {}, base_model, promotion }: RefreshConfig): Row[] {
  const { start, replay, ...options } = training;
  const isContinued = start === 'continued';
  const rows: Row[] = [[t('Training starts from'), isContinued ? t('the promoted model') : (base_model ?? 'builtin')]];
  if (isContinued && typeof replay === 'number') rows.push([t('Earlier comparisons for each new one'), number(replay)]);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || typeof value === 'object') continue;
    rows.push([t('Training: {{option}}', { option: inWords(name) }), typeof value === 'boolean' ? yesOrNo(value) : text(value)]);
  }
  if (promotion) rows.push([t('Promoted'), promotion === 'hand' ? t('by a person') : t('by the project’s rules')]);
  return rows;
}

/** As rows of name and value; options nobody set are left out. */
export function configRows(config: RefreshConfig): Row[] {
  return [...asking(config), ...specRows(config), ...trainingRows(config)];
}
