/** Passages that a labeller marks in a completion.
 *
 * The server counts in characters (Unicode code points) of the text, the browser in UTF-16 units, of which an emoji
 * takes two: `start` and `end` of a `Span` are the server's, of a `Stretch` the browser's.
 */

import type { Span } from '@/lib/api/types';

export type Side = Span['side'];

/** A part of a text, as `String.slice` takes it. */
export interface Stretch {
  start: number;
  end: number;
}

/** As many as the server takes with one rating, and as much of each quotation. */
export const MOST_SPANS = 20;
const LONGEST_QUOTE = 2000;

const charactersIn = (text: string): number => [...text].length;

/** Where the character with this number begins. */
function unitOf(text: string, character: number): number {
  let unit = 0;
  for (let n = 0; n < character && unit < text.length; n += 1) {
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  }
  return unit;
}

/** No offset lies between the two halves of a character. */
function isBetweenHalves(text: string, unit: number): boolean {
  return /[\ud800-\udbff]/.test(text[unit - 1] ?? '') && /[\udc00-\udfff]/.test(text[unit] ?? '');
}

/** Whole characters, without the white space around them; null where nothing is left. */
export function trimmed(text: string, { start, end }: Stretch): Stretch | null {
  const from = isBetweenHalves(text, start) ? start - 1 : start;
  const to = isBetweenHalves(text, end) ? end + 1 : end;
  const inner = text.slice(from, to);
  const begin = from + inner.length - inner.trimStart().length;
  const stop = to - (inner.length - inner.trimEnd().length);
  return begin < stop ? { start: begin, end: stop } : null;
}

export function spanOf(side: Side, text: string, { start, end }: Stretch): Span {
  const from = charactersIn(text.slice(0, start));
  const quote = text.slice(start, end);
  return {
    side,
    start: from,
    end: from + charactersIn(quote),
    quote: [...quote].slice(0, LONGEST_QUOTE).join(''),
  };
}

export function stretchOf(text: string, { start, end }: Span): Stretch {
  return { start: unitOf(text, start), end: unitOf(text, end) };
}

/** The stretches of one side in order; none where the text is not what was marked. */
export function stretchesOf(side: Side, text: string, spans: readonly Span[]): Stretch[] {
  return spans
    .filter((span) => span.side === side)
    .map((span) => stretchOf(text, span))
    .filter(({ start, end }) => start < end)
    .toSorted((one, other) => one.start - other.start);
}

/** With a stretch marked in addition. What it overlaps or touches becomes one with it; the same again changes nothing. */
export function withStretch(spans: readonly Span[], side: Side, text: string, added: Stretch): Span[] {
  const wanted = trimmed(text, added);
  if (!wanted) return [...spans];
  let { start, end } = wanted;
  const apart = spans.filter((span) => {
    const other = stretchOf(text, span);
    const isApart = span.side !== side || other.end < wanted.start || other.start > wanted.end;
    if (!isApart) {
      start = Math.min(start, other.start);
      end = Math.max(end, other.end);
    }
    return isApart;
  });
  return [...apart, spanOf(side, text, { start, end })].toSorted(
    (one, other) => one.side.localeCompare(other.side) || one.start - other.start,
  );
}

/** Without what is marked in this stretch. */
export function withoutStretch(spans: readonly Span[], side: Side, text: string, { start, end }: Stretch): Span[] {
  return spans.filter((span) => {
    const other = stretchOf(text, span);
    return span.side !== side || other.end <= start || other.start >= end;
  });
}
