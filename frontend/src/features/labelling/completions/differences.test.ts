import { describe, expect, it } from 'vitest';
import { countOwn, differencesOf, type Piece } from './differences';

const own = (pieces: Piece[] = []) => pieces.filter(({ isOwn }) => isOwn).map(({ text }) => text);
const whole = (pieces: Piece[] = []) => pieces.map(({ text }) => text).join('');

describe('differencesOf', () => {
  it('finds the words of one text only', () => {
    const found = differencesOf('The cat sat on the mat.', 'The dog sat on a mat.');
    expect(own(found?.first)).toEqual(['cat', 'the']);
    expect(own(found?.second)).toEqual(['dog', 'a']);
    expect(found && countOwn(found)).toBe(4);
  });

  it.each([
    ['line ends', 'a  b\n\n c', 'a b\nc\n'],
    ['emoji', 'so 👍 it is', 'so 👎🏽 it is'],
    ['nothing', '', 'all of it'],
    ['Markdown', '**a** `b`', '- a\n- b'],
  ])('loses nothing of either: %s', (_, first, second) => {
    const found = differencesOf(first, second);
    expect([whole(found?.first), whole(found?.second)]).toEqual([first, second]);
  });

  it('finds none in the same text', () => {
    const found = differencesOf('The same.', 'The same.');
    expect(found && countOwn(found)).toBe(0);
  });

  it('gives up on long texts that share nothing before anybody waits', () => {
    const words = (prefix: string) => Array.from({ length: 20_000 }, (_, at) => `${prefix}${at}`).join(' ');
    const began = performance.now();
    expect(differencesOf(words('a'), words('b'))).toBeNull();
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
