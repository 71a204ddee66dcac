import { locale } from '@/lib/i18n';
import type { Stretch } from './spans';

let segmenter: Intl.Segmenter | null = null;

/** Where the words of a text are, in scripts without spaces too. */
export function wordsIn(text: string): Stretch[] {
  segmenter ??= new Intl.Segmenter(locale(), { granularity: 'word' });
  const words: Stretch[] = [];
  for (const { segment, index, isWordLike } of segmenter.segment(text)) {
    if (isWordLike) words.push({ start: index, end: index + segment.length });
  }
  return words;
}
