/** The direction of each block, by its first letter: an Arabic list may follow an English paragraph.
 *
 * `dir="auto"` on every block would not do: it passes over descendants that have a `dir` of their own, so a list whose
 * entries have one is always left-to-right, with its bullets on the wrong side.
 */

import type { Element, Nodes, Root } from 'hast';

const BLOCKS = new Set(['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'table', 'th', 'td']);
const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}\p{Script=Mandaic}\p{Script=Adlam}\p{Script=Hanifi_Rohingya}]/u;

/** The first letter below, code and formulas apart; '' where there is none. */
function firstLetter(node: Nodes): string {
  if (node.type === 'text') return LETTER.exec(node.value)?.[0] ?? '';
  if (!('children' in node) || (node.type === 'element' && node.tagName === 'code')) return '';
  for (const child of node.children) {
    const letter = firstLetter(child);
    if (letter) return letter;
  }
  return '';
}

/** Whether text that begins like this is read from right to left. */
export const isRightToLeft = (text: string): boolean => RIGHT_TO_LEFT.test(LETTER.exec(text)?.[0] ?? '');

function setDirection(element: Element): void {
  if (element.tagName === 'pre') element.properties.dir = 'ltr';
  if (!BLOCKS.has(element.tagName)) return;
  const letter = firstLetter(element);
  if (letter) element.properties.dir = isRightToLeft(letter) ? 'rtl' : 'ltr';
}

/** A rehype plugin. Code is written from left to right everywhere. */
export function rehypeDirection() {
  const visit = (node: Root | Element): void => {
    for (const child of node.children) {
      if (child.type !== 'element') continue;
      setDirection(child);
      visit(child);
    }
  };
  return visit;
}
