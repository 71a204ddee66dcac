import { expect, it } from 'vitest';
import { configRows } from './configRows';

it('tells what a refresh was started with, without what nobody set', () => {
  const rows = configRows({
    ask: true,
    candidates: {
      mix: [
        { source: 'checkpoint:3', kind: '', n: 2, temperature: 0.7, top_p: 0.95, system: '', best_of: 1, by: 'reward' },
        { source: 'pool', kind: 'random', n: 1, temperature: 1, top_p: 1, system: '', best_of: 1, by: 'reward' },
      ],
      n_prompts: 50, order: 'random', tags: [], languages: [], is_unlabelled_only: true, max_new_tokens: 32, max_prompt_tokens: 64,
      near_duplicate: 0.8, reward_model: null, seed: 0,
    },
    sampling: { acquisition: 'gap', prompt_rule: 'badge', diversity: 'none', budget: 30, random_share: 0.15, seed: 0 },
    labelling: { target_share: 0.9, max_days: null },
    spec: { min_agreement: 0.6, ties: 'soft', max_comparisons: null },
    base_model: 'builtin',
    training: { batch_size: 8, use_weights: false },
    promotion: 'hand',
  });
  expect(rows).toEqual([
    ['New completions for', '50 prompts'],
    ['Written by', '2 × checkpoint 3 at 0.7, 1 × random'],
    ['Pairs chosen by', 'where rewards are close'],
    ['Prompts chosen by', 'uncertain and unlike each other'],
    ['Comparisons to ask for', '30'],
    ['Of them at random', '15\u00a0%'],
    ['Goes on when labelled', '90\u00a0%'],
    ['Least agreement', '60\u00a0%'],
    ['Ties', 'kept'],
    ['Training starts from', 'builtin'],
    ['Training: batch size', '8'],
    ['Training: use weights', 'no'],
    ['Promoted', 'by a person'],
  ]);
});

it('says of one that asked nobody only that, and of a continued one from where it went on', () => {
  expect(configRows({ ask: false, sampling: { budget: 9 }, training: { start: 'continued', replay: 0.5 }, base_model: 'builtin' })).toEqual([
    ['New ratings', 'not asked for'],
    ['Training starts from', 'the promoted model'],
    ['Earlier comparisons for each new one', '0.5'],
  ]);
});
