import { describe, expect, it } from 'vitest';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { isSameVersion, isUnchanged, pairExamples, textBlocks, wordParts } from './differences';

const example = (number: number, changes: Partial<WorkedExample> = {}): WorkedExample => ({
  prompt: `Prompt ${number}`,
  completion_a: `alpha ${number}`,
  completion_b: `beta ${number}`,
  preferred: 'a',
  intensity: 3,
  rationale: `Because of ${number}.`,
  in_quiz: false,
  ...changes,
});

describe('textBlocks', () => {
  const before = 'Title\n\nLonger is better.\nEnd.';
  const after = 'Title\n\nLonger is not better.\nEnd.\nMore.';

  it('says which words differ', () => {
    expect(textBlocks(before, after, 'words')).toEqual([
      { change: 'same', lines: ['Title', ''] },
      {
        change: 'words',
        parts: [
          { change: 'same', text: 'Longer is ' },
          { change: 'added', text: 'not ' },
          { change: 'same', text: 'better.' },
        ],
      },
      { change: 'same', lines: ['End.'] },
      { change: 'added', lines: ['More.'] },
    ]);
  });

  it('or which lines', () => {
    expect(textBlocks(before, after, 'lines')).toEqual([
      { change: 'same', lines: ['Title', ''] },
      { change: 'removed', lines: ['Longer is better.'] },
      { change: 'added', lines: ['Longer is not better.'] },
      { change: 'same', lines: ['End.'] },
      { change: 'added', lines: ['More.'] },
    ]);
  });

  it.each(['words', 'lines'] as const)('gives both texts back, by %s', (grain) => {
    const text = (left: string) =>
      textBlocks(before, after, grain)
        .map((block) =>
          block.change === 'words'
            ? `${block.parts.filter((part) => part.change !== left).map((part) => part.text).join('')}\n`
            : block.change === left
              ? ''
              : block.lines.map((line) => `${line}\n`).join(''),
        )
        .join('');
    expect(text('added')).toBe(`${before}\n`);
    expect(text('removed')).toBe(`${after}\n`);
  });

  it('finds nothing in equal texts, a last line break apart', () => {
    expect(textBlocks('One\nTwo', 'One\nTwo\n', 'words')).toEqual([{ change: 'same', lines: ['One', 'Two'] }]);
  });

  it('answers in time for long texts that have nothing in common', () => {
    const words = (seed: string) => Array.from({ length: 20_000 }, (_, n) => `${seed}${n}`).join(' ');
    const begin = performance.now();
    const blocks = textBlocks(words('x'), words('y'), 'words');
    expect(performance.now() - begin).toBeLessThan(3000);
    expect(blocks.length).toBeGreaterThan(0);
  });
});

it('takes words for what they are in other scripts', () => {
  expect(wordParts('Größe zählt', 'Größe zählt nicht')?.at(-1)).toEqual({ change: 'added', text: ' nicht' });
});

describe('pairExamples', () => {
  it('follows an example to its new place, changed or not', () => {
    const before = [example(1), example(2), example(3)];
    const after = [example(3), example(1, { rationale: 'Another reason.' }), example(4)];
    const pairs = pairExamples(before, after).map(({ before: one, after: other }) => [one?.number ?? null, other?.number ?? null]);
    expect(pairs).toEqual([[3, 1], [1, 2], [null, 3], [2, null]]);
  });

  it('knows an example by most of its texts', () => {
    const [pair] = pairExamples([example(1)], [example(1, { prompt: 'Asked otherwise' })]);
    expect([pair?.before?.number, pair?.after?.number]).toEqual([1, 1]);
  });

  it('gives each of two equal prompts its nearest', () => {
    const same = [example(1), example(1, { completion_a: 'another' })];
    expect(pairExamples(same, same.toReversed()).map(({ before, after }) => [before?.number, after?.number])).toEqual([[2, 1], [1, 2]]);
  });

  it.each([
    [{ preferred: 'b' }], [{ intensity: 1 }], [{ rationale: 'x' }], [{ in_quiz: true }], [{ completion_b: 'x' }],
  ] as Partial<WorkedExample>[][])('sees a change of %o', (change) => {
    const [pair] = pairExamples([example(1)], [example(1, change)]);
    expect(pair && isUnchanged(pair)).toBe(false);
  });
});

it('takes versions for the same only with their examples in the same order', () => {
  const version = (examples: WorkedExample[], body = 'Text'): GuidelineVersion => ({
    number: 1, body, change_note: '', changes_meaning: true, author: '', published_at: '', examples,
  });
  const two = [example(1), example(2)];
  expect(isSameVersion(version(two), version(two))).toBe(true);
  expect(isSameVersion(version(two), version(two.toReversed()))).toBe(false);
  expect(isSameVersion(version(two), version(two.slice(1)))).toBe(false);
  expect(isSameVersion(version(two), version(two, 'Other'))).toBe(false);
});
