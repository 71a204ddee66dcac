import type { Parents, PhrasingContent, Root, RootContent } from 'mdast';

const LINE_BREAK = /^<br\s*\/?>$/i;
const PHRASING = new Set(['paragraph', 'heading', 'emphasis', 'strong', 'delete', 'link', 'tableCell']);

/** A remark plugin: HTML in a text is shown as it was written. Left to the sanitiser it would be taken out, and with it
 * what a completion says between `<think>` and the next empty line. A line break is one: tables have no other. */
export function remarkHtmlAsText() {
  return (tree: Root): void => visit(tree);
}

function visit(parent: Parents): void {
  const children: readonly RootContent[] = parent.children;
  const shown = children.map((child): RootContent => {
    if (child.type !== 'html') {
      if ('children' in child) visit(child);
      return child;
    }
    if (LINE_BREAK.test(child.value)) return { type: 'break' };
    if (PHRASING.has(parent.type)) return { type: 'text', value: child.value };
    return { type: 'paragraph', children: linesOf(child.value) };
  });
  // Phrasing stands where phrasing stood, a paragraph where a block stood.
  parent.children = shown as typeof parent.children;
}

const linesOf = (text: string): PhrasingContent[] =>
  text.split('\n').flatMap((line, at): PhrasingContent[] => [...(at > 0 ? [{ type: 'break' as const }] : []), { type: 'text', value: line }]);
