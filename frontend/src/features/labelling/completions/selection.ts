/** What is selected in an element, as offsets into its text, and the way back. */

import type { Stretch } from './spans';

/** Null where nothing is selected, or the selection began elsewhere. Its part outside the element is left out. */
export function selectedIn(element: Element): Stretch | null {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || !element.contains(selection.anchorNode)) return null;
  const range = selection.getRangeAt(0).cloneRange();
  if (!element.contains(range.startContainer)) range.setStart(element, 0);
  if (!element.contains(range.endContainer)) range.setEnd(element, element.childNodes.length);
  const before = document.createRange();
  before.setStart(element, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = before.toString().length;
  const end = start + range.toString().length;
  return start < end ? { start, end } : null;
}

/** Select it as the mouse would, so that it looks the same. */
export function select(element: Element, { start, end }: Stretch): Range | null {
  const [from, to] = [placeOf(element, start), placeOf(element, end)];
  if (!from || !to) return null;
  const range = document.createRange();
  range.setStart(...from);
  range.setEnd(...to);
  const selection = document.getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
  return range;
}

function placeOf(element: Element, offset: number): [Node, number] | null {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let passed = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (offset <= passed + length) return [node, offset - passed];
    passed += length;
  }
  return null;
}
