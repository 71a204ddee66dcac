/** Formulas as MathML, by KaTeX. Large, so loaded only where a text has a formula (see useLoaded). */

import type { Element, ElementContent, Root } from 'hast';
import rehypeKatex, { type Options } from 'rehype-katex';
import { sourceOf } from './formulas';

// MathML needs neither fonts nor style attributes, and screen readers read it. No formula may be larger than the screen,
// nor open a link or load a picture.
const OPTIONS: Options = { output: 'mathml', strict: 'ignore', trust: false, maxSize: 20, maxExpand: 500 };
const CLASSES = ['math-inline', 'math-display'];

declare module 'hast' {
  interface ElementData {
    /** A formula with its delimiters, as in the text. */
    written?: string;
  }
}

const hasClass = ({ properties: { className } }: Element, names: readonly string[]) =>
  Array.isArray(className) && names.some((name) => className.includes(name));

/** Replace elements, from the outside in. */
function replace(parent: Root | Element, by: (element: Element) => ElementContent | null): void {
  parent.children = parent.children.map((child) => {
    if (child.type !== 'element') return child;
    const other = by(child);
    if (!other) replace(child, by);
    return other ?? child;
  }) as typeof parent.children;
}

/** Give KaTeX each formula without its delimiters, in a box that knows how it was written. */
function rehypeOpenFormulas() {
  return (tree: Root) =>
    replace(tree, (element) => {
      const [content] = element.children;
      if (!hasClass(element, CLASSES) || content?.type !== 'text') return null;
      const formula: Element = { ...element, children: [{ type: 'text', value: sourceOf(content.value).trim() }] };
      return { type: 'element', tagName: 'span', properties: {}, data: { written: content.value }, children: [formula] };
    });
}

/** Take what KaTeX made out of its box. What it does not understand stays on the screen as it was written. */
function rehypeCloseFormulas() {
  return (tree: Root) =>
    replace(tree, (element) => {
      const written = element.data?.written;
      if (written === undefined) return null;
      const [made] = element.children;
      if (made?.type === 'element' && !hasClass(made, ['katex-error'])) return made;
      return { type: 'element', tagName: 'code', properties: {}, children: [{ type: 'text', value: written }] };
    });
}

export const typeset = [rehypeOpenFormulas, [rehypeKatex, OPTIONS], rehypeCloseFormulas] as const;
