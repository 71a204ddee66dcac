import { describe, expect, it } from 'vitest';
import type { Judgement } from '@/lib/api/types';
import { choicesOf } from '@/lib/intensity';
import { isAsBefore, missing, type Demands, type Draft } from './pending';

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

describe('isAsBefore', () => {
  const span = { side: 'first' as const, start: 0, end: 5, quote: 'Seven' };
  const before: Judgement = {
    client_id: 'c', assignment_id: 1, preferred: 'first', intensity: 1, active_ms: 0, justification: 'why', bucket: 1, spans: [span],
  };
  it.each([
    ['what goes with the answer, left alone', { bucket: 1, note: ' why ' }, [span], true],
    ['another answer to the second question', { bucket: 0, note: 'why' }, [span], false],
    ['another reason', { bucket: 1, note: 'because' }, [span], false],
    ['a mark taken away', { bucket: 1, note: 'why' }, [], false],
    ['a mark moved', { bucket: 1, note: 'why' }, [{ ...span, end: 4 }], false],
  ])('%s', (_, change, spans, expected) => {
    expect(isAsBefore(before, draft(change), spans)).toBe(expected);
  });

  it('knows a rating of a project without a second question, and without a reason', () => {
    expect(isAsBefore({ ...before, bucket: null, justification: '', spans: undefined }, draft(), [])).toBe(true);
  });
});
