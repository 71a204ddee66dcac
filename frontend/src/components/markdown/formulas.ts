/** Formulas in Markdown, as models write them: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, bare `\begin{align}…\end{align}`.
 *
 * They are set aside before Markdown is parsed, so that it sees neither their backslashes (`\[` is an escaped bracket to
 * it) nor their underscores, bars and line ends, and put back into the parsed tree: as formulas into text, and letter by
 * letter into everything else (code, addresses), where they were none. remark-math would read "$5 and $10" as a formula,
 * the rest of a text after a lone `$$` as another, and not know `\(…\)`.
 */

import type { Nodes, Parents, PhrasingContent, Root, RootContent } from 'mdast';

export interface Formula {
  /** With its delimiters, as in the text. */
  written: string;
  isDisplay: boolean;
}

export interface SetAside {
  /** The text with a placeholder for each formula. */
  text: string;
  formulas: Formula[];
}

// Longer ones stay text: no person writes them, and none can read them.
const LONGEST = 4000;
const MOST = 500;
const ENVIRONMENTS = 'align|aligned|alignat|alignedat|gather|gathered|equation|cases|matrix|pmatrix|bmatrix|vmatrix|array|split|multline';
const BEGIN = new RegExp(String.raw`\\begin\{((?:${ENVIRONMENTS})\*?)\}`, 'y');

// Two characters that no text may hold (Unicode's noncharacters) between brackets, which Markdown takes for punctuation
// as it would the delimiters: `**so:**$x$` stays bold.
const OPEN = '\u27e6\ufdd0';
const CLOSE = '\ufdd1\u27e7';
const PLACEHOLDER = /\u27e6\ufdd0(\d+)\ufdd1\u27e7/g;

/** Cheap: whether it is worth looking for formulas. */
const mayHold = (text: string) => /\$|\\[([]|\\begin\{/.test(text);

export function setFormulasAside(text: string): SetAside {
  const source = text.replace(/[\ufdd0\ufdd1]/g, '\ufffd');
  if (!mayHold(source)) return { text: source, formulas: [] };
  const formulas: Formula[] = [];
  let rest = '';
  let kept = 0;
  for (const { start, end } of proseOf(source)) {
    const prose = new Prose(source, end);
    let position = start;
    while (position < end && formulas.length < MOST) {
      const next = prose.stepAt(position);
      if (next.formula) {
        const isQuoted = /^[ \t]*>/.test(source.slice(source.lastIndexOf('\n', position) + 1, position));
        const written = isQuoted ? next.formula.written.replace(/\n[ \t]*>[ \t]?/g, '\n') : next.formula.written;
        rest += source.slice(kept, position) + OPEN + formulas.length + CLOSE;
        formulas.push({ ...next.formula, written });
        kept = next.end;
      }
      position = next.end;
    }
  }
  return { text: rest + source.slice(kept), formulas };
}

/** A formula without its delimiters, for KaTeX. */
export function sourceOf(written: string): string {
  const inner = /^(?:\$\$([^]*)\$\$|\$([^]*)\$|\\\(([^]*)\\\)|\\\[([^]*)\\\])$/.exec(written)?.slice(1);
  return inner?.find((part) => part !== undefined) ?? written;
}

/** Everything outside fenced code. */
function* proseOf(text: string): Generator<{ start: number; end: number }> {
  let fence: string | null = null;
  let start = 0;
  let lineStart = 0;
  while (lineStart < text.length) {
    const lineEnd = text.indexOf('\n', lineStart);
    const nextLine = lineEnd === -1 ? text.length : lineEnd + 1;
    // A fence may stand in a quotation or begin a list's entry.
    const line = text.slice(lineStart, nextLine).replace(/^(?:[ \t]*(?:>|[-*+][ \t]|\d{1,9}[.)][ \t]))*[ \t]*/, '');
    const marks: string | undefined = /^(?:`{3,}(?=[^`]*$)|~{3,})/.exec(line)?.[0];
    if (marks && fence === null) {
      yield { start, end: lineStart };
      fence = marks;
    } else if (marks && fence !== null && marks.startsWith(fence) && line.trim() === marks) {
      fence = null;
      start = nextLine;
    }
    lineStart = nextLine;
  }
  if (fence === null) yield { start, end: text.length };
}

interface Step {
  end: number;
  formula?: Formula;
}

/** A stretch of a text without fenced code, up to `limit`. */
class Prose {
  private readonly text: string;
  private readonly limit: number;
  /** The paragraph looked at last, for not to look for its end again at each character. */
  private paragraph = { start: 0, end: 0 };

  constructor(text: string, limit: number) {
    this.text = text;
    this.limit = limit;
  }

  /** What stands at `position`, and where to go on. */
  stepAt(position: number): Step {
    const character = this.text[position];
    if (character === '`') return { end: this.afterCode(position) };
    if (character === '\\') return this.backslashAt(position);
    if (character === '$') return this.dollarAt(position);
    return { end: position + 1 };
  }

  /** The end of a code span, or of its opening backticks where they are never closed. */
  private afterCode(start: number): number {
    const inner = this.afterRun(start, '`');
    const marks = inner - start;
    const end = this.paragraphEnd(start);
    let position = this.text.indexOf('`', inner);
    while (position !== -1 && position < end) {
      const next = this.afterRun(position, '`');
      if (next - position === marks) return next;
      position = this.text.indexOf('`', next);
    }
    return inner;
  }

  private backslashAt(start: number): Step {
    const mark = this.text[start + 1];
    if (mark === '(' || mark === '[') return this.bracketAt(start, mark);
    return this.environmentAt(start) ?? { end: start + 2 };
  }

  private bracketAt(start: number, mark: '(' | '['): Step {
    const isDisplay = mark === '[';
    const end = this.closingOf(start + 2, mark, this.reach(start + 2, isDisplay));
    if (end === null) return { end: start + 2 };
    const inner = this.text.slice(start + 2, end - 2);
    // `\[text\](address)` and `\[1\]` are brackets escaped from Markdown.
    const isEscaped = isDisplay && (this.text[end] === '(' || /^\s*\d+(?:\s*[,–-]\s*\d+)*\s*$/.test(inner));
    if (isEscaped || !inner.trim() || isProse(inner)) return { end: start + 2 };
    return { end, formula: { written: this.text.slice(start, end), isDisplay } };
  }

  /** Past the `\)` or `\]` that belongs to it; null where there is none, or another one opens before. */
  private closingOf(from: number, mark: '(' | '[', end: number): number | null {
    const closing = mark === '(' ? ')' : ']';
    let position = this.text.indexOf('\\', from);
    while (position !== -1 && position + 1 < end) {
      if (this.text[position + 1] === closing) return position + 2;
      if (this.text[position + 1] === mark) return null;
      position = this.text.indexOf('\\', position + 2);
    }
    return null;
  }

  /** One that begins a line, without delimiters. */
  private environmentAt(start: number): Step | null {
    BEGIN.lastIndex = start;
    const environment = BEGIN.exec(this.text)?.[1];
    if (!environment || !/(?:^|\n)[ \t>]*$/.test(this.text.slice(Math.max(0, start - 80), start))) return null;
    const last = `\\end{${environment}}`;
    const length = this.text.slice(start, Math.min(this.limit, start + LONGEST)).indexOf(last);
    if (length === -1) return null;
    const end = start + length + last.length;
    return { end, formula: { written: this.text.slice(start, end), isDisplay: true } };
  }

  private dollarAt(start: number): Step {
    const inner = this.afterRun(start, '$');
    if (inner - start > 2) return { end: inner };
    return inner - start === 2 ? this.doubleDollarAt(start) : this.singleDollarAt(start);
  }

  private doubleDollarAt(start: number): Step {
    const inner = start + 2;
    const reach = this.reach(inner, true);
    for (let position = inner; position + 2 <= reach; position += 1) {
      if (this.text[position] === '\\') position += 1;
      else if (this.text.startsWith('$$', position)) {
        if (!this.text.slice(inner, position).trim()) break;
        const end = position + 2;
        return { end, formula: { written: this.text.slice(start, end), isDisplay: true } };
      }
    }
    return { end: inner };
  }

  /** As Pandoc has it: no space inside the dollars, no digit after them; and nothing that reads as prose between them. */
  private singleDollarAt(start: number): Step {
    const none = { end: start + 1 };
    if (/\s/.test(this.text[start + 1] ?? ' ') || /[\p{L}\p{N}]/u.test(this.text[start - 1] ?? '')) return none;
    const reach = this.reach(start + 1, false);
    for (let position = start + 1; position < reach; position += 1) {
      const character = this.text[position];
      if (character === '`') return none;
      if (character === '\\') position += 1;
      else if (character === '$') {
        if (!isFormula(this.text.slice(start + 1, position), this.text[position + 1] ?? '')) return none;
        return { end: position + 1, formula: { written: this.text.slice(start, position + 1), isDisplay: false } };
      }
    }
    return none;
  }

  /** How far a formula may go: to the end of its paragraph, unless its delimiter stands alone on its line. */
  private reach(inner: number, isDisplay: boolean): number {
    let position = inner;
    while (this.text[position] === ' ' || this.text[position] === '\t') position += 1;
    const isAlone = isDisplay && this.text[position] === '\n';
    return Math.min(inner + LONGEST, isAlone ? this.limit : this.paragraphEnd(inner));
  }

  private paragraphEnd(position: number): number {
    if (position < this.paragraph.start || position >= this.paragraph.end) {
      const blank = /\n[ \t>]*(?=\n)/g;
      blank.lastIndex = position;
      this.paragraph = { start: position, end: Math.min(blank.exec(this.text)?.index ?? this.limit, this.limit) };
    }
    return this.paragraph.end;
  }

  private afterRun(start: number, character: string): number {
    let position = start;
    while (this.text[position] === character) position += 1;
    return position;
  }
}

/** Whether what stands between two single dollars is one, and not two prices or names of a shell. */
function isFormula(inner: string, after: string): boolean {
  if (/\s$/.test(inner) || /[\d$]/.test(after)) return false;
  const isName = /^[A-Za-z_]{2,}/.test(inner) && /[A-Za-z]/.test(after);
  const isPrice = /^\d[^\\]*\s\(?\p{L}{2,}/u.test(inner) && !inner.includes('\\');
  // A formula does not go from one cell of a table into the next.
  return !isName && !isPrice && !isProse(inner) && !inner.includes(' | ');
}

/** Two words in a row and no command: "speed of light", "see above". */
const isProse = (inner: string) => !inner.includes('\\') && /\p{L}{2,}[,.;]?\s+\(?\p{L}{2,}/u.test(inner);

/** The work of a remark plugin that puts the formulas back. */
export function putFormulasBack(formulas: readonly Formula[]) {
  const written = (text: string) => text.replace(PLACEHOLDER, (_, index: string) => formulas[Number(index)]?.written ?? '');

  const visit = (parent: Parents): void => {
    const children: readonly RootContent[] = parent.children;
    const restored = children.flatMap((child): RootContent[] => {
      if (child.type === 'text') return piecesOf(child.value, formulas);
      // GitHub's way of writing one.
      if (child.type === 'code' && child.lang === 'math') {
        const formula = { written: written(child.value), isDisplay: true };
        return [{ type: 'paragraph', children: [nodeOf(formula)] }];
      }
      restore(child, written);
      if ('children' in child) visit(child);
      return [child];
    });
    // A formula takes the place of text or of a block of code, so it may stand wherever that stood.
    parent.children = restored as typeof parent.children;
  };
  return (tree: Root): void => visit(tree);
}

/** Formulas in code, addresses and names are what they were. */
function restore(node: Nodes, written: (text: string) => string): void {
  const fields = node as unknown as Record<string, unknown>;
  for (const field of ['value', 'url', 'title', 'alt', 'label', 'meta', 'lang']) {
    const value = fields[field];
    if (typeof value === 'string' && value.includes(OPEN)) fields[field] = written(value);
  }
}

function piecesOf(value: string, formulas: readonly Formula[]): PhrasingContent[] {
  // Every second piece is an index.
  return value.split(PLACEHOLDER).flatMap((piece, position): PhrasingContent[] => {
    const formula = position % 2 === 1 ? formulas[Number(piece)] : undefined;
    if (formula) return [nodeOf(formula)];
    return piece ? [{ type: 'text', value: piece }] : [];
  });
}

/** `code` with a class that Markdown cannot give. */
function nodeOf({ written, isDisplay }: Formula): PhrasingContent {
  const className = [isDisplay ? 'math-display' : 'math-inline'];
  return { type: 'inlineCode', value: written, data: { hName: 'code', hProperties: { className } } };
}
