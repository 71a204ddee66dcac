/** Selecting words with the arrow keys: the words from `anchor` to `focus`, in either order, are selected. */

import type { Stretch } from './spans';

export interface WordCursor {
  anchor: number;
  focus: number;
}

/** The word that a key goes to from `word`; null where the key is none of these. Before the first key there is no word. */
function targetOf(key: string, word: number | null, words: readonly Stretch[], text: string, isRtl: boolean): number | null {
  const [forward, backward] = isRtl ? ['ArrowLeft', 'ArrowRight'] : ['ArrowRight', 'ArrowLeft'];
  const last = words.length - 1;
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  if (![forward, backward, 'ArrowDown', 'ArrowUp'].includes(key)) return null;
  if (word === null) return 0;
  if (key === forward) return Math.min(word + 1, last);
  if (key === backward) return Math.max(word - 1, 0);
  const isNewLine = (at: number) => text.slice(words[at - 1]?.end ?? 0, words[at]?.start).includes('\n');
  const step = key === 'ArrowDown' ? 1 : -1;
  let at = word + step;
  while (at > 0 && at < last && !isNewLine(at)) at += step;
  return Math.min(Math.max(at, 0), last);
}

/** Where the cursor is after a key; null where the key does not move it. */
export function moved(
  key: string, isExtending: boolean, cursor: WordCursor | null, words: readonly Stretch[], text: string, isRtl: boolean,
): WordCursor | null {
  if (words.length === 0) return null;
  const focus = targetOf(key, cursor?.focus ?? null, words, text, isRtl);
  if (focus === null) return null;
  return { anchor: isExtending && cursor ? cursor.anchor : focus, focus };
}

/** From the first selected word to the last. */
export function stretchOfWords({ anchor, focus }: WordCursor, words: readonly Stretch[]): Stretch | null {
  const [from, to] = [words[Math.min(anchor, focus)], words[Math.max(anchor, focus)]];
  return from && to ? { start: from.start, end: to.end } : null;
}
