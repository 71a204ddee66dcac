import { describe, expect, it } from 'vitest';
import { moved, stretchOfWords, type WordCursor } from './wordCursor';
import { wordsIn } from './wordsIn';

const TEXT = 'One two, three.\n\nFour 👍 five\nsix';
const words = wordsIn(TEXT);

/** Keys as "Shift+End"; what is selected after them. */
function after(keys: string[], text = TEXT, isRtl = false): string | null {
  const all = wordsIn(text);
  let cursor: WordCursor | null = null;
  for (const key of keys) {
    cursor = moved(key.replace('Shift+', ''), key.startsWith('Shift+'), cursor, all, text, isRtl) ?? cursor;
  }
  const stretch = cursor && stretchOfWords(cursor, all);
  return stretch && text.slice(stretch.start, stretch.end);
}

it('finds the words, not the signs between them', () => {
  expect(words.map(({ start, end }) => TEXT.slice(start, end))).toEqual(['One', 'two', 'three', 'Four', 'five', 'six']);
});

describe('the arrow keys', () => {
  it.each([
    [['ArrowRight'], 'One'],
    [['ArrowRight', 'ArrowRight'], 'two'],
    [['ArrowRight', 'ArrowLeft'], 'One'],
    [['ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowRight'], 'One two, three'],
    [['ArrowRight', 'ArrowRight', 'Shift+ArrowLeft'], 'One two'],
    [['End'], 'six'],
    [['End', 'ArrowRight'], 'six'],
    [['End', 'Home'], 'One'],
    [['ArrowDown', 'ArrowDown'], 'Four'],
    [['End', 'ArrowUp'], 'Four'],
    [['ArrowRight', 'Shift+ArrowDown'], 'One two, three.\n\nFour'],
    [['Home', 'Shift+End'], TEXT],
    [['x'], null],
  ])('%j select %j', (keys, selected) => {
    expect(after(keys)).toBe(selected);
  });

  it('go the other way where the text does', () => {
    expect(after(['ArrowLeft', 'ArrowLeft'], 'שלום עולם', true)).toBe('עולם');
    expect(after(['ArrowLeft', 'ArrowLeft', 'ArrowRight'], 'שלום עולם', true)).toBe('שלום');
  });

  it('do nothing in a text without words', () => {
    expect(after(['ArrowRight', 'End'], '…')).toBeNull();
  });
});
