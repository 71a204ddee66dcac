import { describe, expect, it } from 'vitest';
import { choicesOf } from './intensity';
import { missing, type Demands, type Draft } from './pending';

const [choice = null] = choicesOf(['better'], false);
const draft = (change: Partial<Draft> = {}): Draft => ({ choice, bucket: null, note: null, ...change });
const demands = (change: Partial<Demands> = {}): Demands => ({ n_buckets: 0, justificationMinLength: 0, ...change });

describe('missing', () => {
  it.each<[string, Draft, Demands, string[]]>([
    ['an answer is all a plain project asks for', draft(), demands(), []],
    ['no answer', draft({ choice: null }), demands(), ['choice']],
    ['the second question', draft(), demands({ n_buckets: 3 }), ['bucket']],
    ['the second question answered with the first of its answers', draft({ bucket: 0 }), demands({ n_buckets: 3 }), []],
    ['a reason that is too short', draft({ note: '  because ' }), demands({ justificationMinLength: 8 }), ['justification']],
    ['a reason of just the length', draft({ note: ' because' }), demands({ justificationMinLength: 7 }), []],
    [
      'everything, in order',
      draft({ choice: null }),
      demands({ n_buckets: 2, justificationMinLength: 1 }),
      ['choice', 'bucket', 'justification'],
    ],
  ])('%s', (_, given, asked, expected) => {
    expect(missing(given, asked)).toEqual(expected);
  });
});
