/** Which words of two completions are in one of them only. */

import { diffWordsWithSpace } from 'diff';

export interface Piece {
  text: string;
  /** In this completion only. */
  isOwn: boolean;
}

export interface Differences {
  first: Piece[];
  second: Piece[];
}

/** Beyond this the key press would seem lost: two texts of 2,000 words that share nothing take a second. */
const PATIENCE_MS = 400;

/** Both texts in pieces; null where they have too little in common for it. */
export function differencesOf(first: string, second: string): Differences | null {
  const parts = diffWordsWithSpace(first, second, { timeout: PATIENCE_MS });
  if (!parts) return null;
  const found: Differences = { first: [], second: [] };
  for (const { value, added, removed } of parts) {
    if (!added) found.first.push({ text: value, isOwn: removed });
    if (!removed) found.second.push({ text: value, isOwn: added });
  }
  return found;
}

/** How many passages are in one of the two only. */
export const countOwn = ({ first, second }: Differences): number =>
  [...first, ...second].filter(({ isOwn, text }) => isOwn && text.trim() !== '').length;
