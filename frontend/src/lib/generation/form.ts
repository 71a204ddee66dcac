/** The form that starts a generation, as the API takes it. */

import type { GenerationChoices, GenerationOptions, MixRow } from '@/lib/api/types';
import { t } from '@/lib/i18n';

/** How completions of a row are found: as the model writes them, by a system prompt, or as the best of many. */
export type Search = 'plain' | 'prompted' | 'reward' | 'disagreement';

export interface FormRow {
  /** A source of the API, or one of RANDOM, HUMAN and PATH. */
  source: string;
  /** With PATH: where the model lies. */
  path: string;
  n: number | string;
  temperature: number | string;
  top_p: number;
  search: Search;
  system: string;
  best_of: number | string;
}

export interface GenerationForm {
  mix: FormRow[];
  n_prompts: number | string;
  order: string;
  tags: string[];
  languages: string[];
  is_unlabelled_only: boolean;
  max_new_tokens: number | string;
  max_prompt_tokens: number | string;
  /** In percent. */
  near_duplicate: number | string;
  /** Id; null: the promoted one. */
  reward_model: string | null;
  seed: number | string;
  /** What programs choose by and no field shows; kept as it is. */
  origins?: string[];
  clusters?: number[];
}

export const RANDOM = 'pool:random';
export const HUMAN = 'pool:human';
export const PATH = 'path';
const BEST_OF = 8;

export const isOfPool = (row: Pick<FormRow, 'source'>) => row.source === RANDOM || row.source === HUMAN;
export const isSearched = (row: FormRow) => !isOfPool(row) && (row.search === 'reward' || row.search === 'disagreement');

export function rowOf(row: MixRow): FormRow {
  const isPath = row.source.startsWith('path:');
  return {
    source: row.source === 'pool' ? `pool:${row.kind}` : isPath ? PATH : row.source,
    path: isPath ? row.source.slice('path:'.length) : '',
    n: row.n,
    temperature: row.temperature,
    top_p: row.top_p,
    search: row.best_of > 1 ? row.by : row.system ? 'prompted' : 'plain',
    system: row.system,
    best_of: row.best_of > 1 ? row.best_of : BEST_OF,
  };
}

export function initialForm(choices: GenerationChoices): GenerationForm {
  return {
    mix: choices.mix.map(rowOf),
    n_prompts: 200,
    order: 'least_covered',
    tags: [],
    languages: [],
    is_unlabelled_only: true,
    max_new_tokens: 256,
    max_prompt_tokens: 1024,
    near_duplicate: 80,
    reward_model: null,
    seed: 0,
  };
}

/** The form of options that were asked for before. */
export function formOf(options: GenerationOptions): GenerationForm {
  return {
    ...options,
    mix: options.mix.map(rowOf),
    near_duplicate: Math.round(options.near_duplicate * 100),
    reward_model: options.reward_model === null ? null : String(options.reward_model),
  };
}

/** One more row: like the last one of a model, a little warmer. */
export function anotherRow(rows: FormRow[]): FormRow {
  const like = rows.findLast((row) => !isOfPool(row));
  const fresh: FormRow = { source: 'builtin', path: '', n: 1, temperature: 0.8, top_p: 0.95, search: 'plain', system: '', best_of: BEST_OF };
  return like ? { ...like, search: 'plain', temperature: Math.round((Number(like.temperature) + 0.2) * 10) / 10 } : fresh;
}

function requestRow(row: FormRow): Partial<MixRow> {
  if (isOfPool(row)) return { source: 'pool', kind: row.source === RANDOM ? 'random' : 'human', n: Number(row.n) };
  return {
    source: row.source === PATH ? `path:${row.path.trim()}` : row.source,
    n: Number(row.n),
    temperature: Number(row.temperature),
    top_p: row.top_p,
    ...(row.search === 'prompted' && { system: row.system.trim() }),
    ...(isSearched(row) && { best_of: Number(row.best_of), by: row.search === 'reward' ? 'reward' : 'disagreement' }),
  };
}

export function requestOf(form: GenerationForm) {
  return {
    mix: form.mix.map(requestRow),
    n_prompts: Number(form.n_prompts),
    order: form.order,
    tags: form.tags,
    languages: form.languages,
    is_unlabelled_only: form.is_unlabelled_only,
    max_new_tokens: Number(form.max_new_tokens),
    max_prompt_tokens: Number(form.max_prompt_tokens),
    near_duplicate: Number(form.near_duplicate) / 100,
    seed: Number(form.seed),
    ...(form.origins && { origins: form.origins }),
    ...(form.clusters && { clusters: form.clusters }),
    ...(form.reward_model !== null && form.mix.some(isSearched) && { reward_model: Number(form.reward_model) }),
  };
}

/** What a row can be written by, in groups for the list to choose from. */
export function sourcesOf({ checkpoints, endpoints }: GenerationChoices) {
  const models = checkpoints.map(({ id, name }) => ({ value: `checkpoint:${id}`, label: name }));
  return [
    {
      group: t('Models of this pool'),
      items: [...models, { value: 'builtin', label: t('Built-in model, trained on the pool') }],
    },
    ...(endpoints.length > 0
      ? [{ group: t('Endpoints'), items: endpoints.map(({ name, model }) => ({ value: `endpoint:${name}`, label: `${name} · ${model}` })) }]
      : []),
    {
      group: t('Without a model'),
      items: [
        { value: RANDOM, label: t("Another prompt's completion") },
        { value: HUMAN, label: t('Written by people, already there') },
      ],
    },
    { group: t('Elsewhere'), items: [{ value: PATH, label: t('A model on the worker, by its path') }] },
  ];
}
