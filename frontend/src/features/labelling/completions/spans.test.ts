import { describe, expect, it } from 'vitest';
import type { Span } from '@/lib/api/types';
import { spanOf, stretchesOf, stretchOf, trimmed, withoutStretch, withStretch } from './spans';

const TEXT = 'So 👍🏽 it is, 𝒙 and 日本語.';
/** A passage by its words. */
const at = (words: string, text = TEXT) => ({ start: text.indexOf(words), end: text.indexOf(words) + words.length });
const mark = (spans: Span[], ...words: string[]) =>
  words.reduce((marked, each) => withStretch(marked, 'first', TEXT, at(each)), spans);
const quotes = (spans: Span[]) => spans.map(({ quote }) => quote);

describe('offsets', () => {
  it('count characters as the server does, in which an emoji is one', () => {
    // In Python: 'So 👍🏽 it is, 𝒙 and 日本語.'.index('it is') == 6, and of '日本語' 18.
    expect(spanOf('first', TEXT, at('it is'))).toEqual({ side: 'first', start: 6, end: 11, quote: 'it is' });
    expect(spanOf('second', TEXT, at('日本語'))).toEqual({ side: 'second', start: 19, end: 22, quote: '日本語' });
  });

  it.each(['So', '👍🏽', '𝒙', '日本語.', TEXT])('come back to %j', (words) => {
    const stretch = at(words);
    const span = spanOf('first', TEXT, stretch);
    expect(stretchOf(TEXT, span)).toEqual(stretch);
    expect([...TEXT].slice(span.start, span.end).join('')).toBe(words);
  });

  it('never part the halves of a character', () => {
    const { start, end } = at('𝒙');
    expect(trimmed(TEXT, { start: start + 1, end })).toEqual({ start, end });
    expect(trimmed(TEXT, { start, end: end - 1 })).toEqual({ start, end });
  });

  it('leave out white space at the ends, and a passage of nothing else', () => {
    expect(trimmed(' a b \n', { start: 0, end: 6 })).toEqual({ start: 1, end: 4 });
    expect(trimmed(' a b \n', { start: 4, end: 6 })).toBeNull();
  });

  it('keep a long passage whole and its quotation within what the server takes', () => {
    const text = '😀'.repeat(3000);
    const span = spanOf('first', text, { start: 0, end: text.length });
    expect(span.end).toBe(3000);
    expect([...span.quote]).toHaveLength(2000);
  });
});

describe('marking', () => {
  it('keeps passages in order and sides apart', () => {
    const spans = withStretch(mark([], 'it is', 'So'), 'second', TEXT, at('So'));
    expect(spans.map(({ side, quote }) => `${side} ${quote}`)).toEqual(['first So', 'first it is', 'second So']);
    expect(stretchesOf('first', TEXT, spans)).toEqual([at('So'), at('it is')]);
  });

  it('makes one of what overlaps', () => {
    expect(quotes(mark([], 'it is', 'is, 𝒙 and'))).toEqual(['it is, 𝒙 and']);
    expect(quotes(mark([], 'So', 'it is', TEXT))).toEqual([TEXT]);
    expect(quotes(mark([], 'it is', 'is'))).toEqual(['it is']);
  });

  it('takes away what a selection touches, on its side only', () => {
    const spans = withStretch(mark([], 'So', 'it is'), 'second', TEXT, at('it is'));
    const left = withoutStretch(spans, 'first', TEXT, at('is'));
    expect(left.map(({ side, quote }) => `${side} ${quote}`)).toEqual(['first So', 'second it is']);
  });
});
