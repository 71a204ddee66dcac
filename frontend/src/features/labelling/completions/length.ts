// Scripts without spaces: each of their letters counts as a word, as word processors have it.
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu;

/** How long a text is. No segmenter here: it takes longer than a frame for two long completions. */
export function lengthOf(text: string): { words: number; characters: number } {
  return { words: text.match(WORD)?.length ?? 0, characters: [...text].length };
}
