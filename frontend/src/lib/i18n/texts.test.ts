import ts from 'typescript';
import { expect, it } from 'vitest';
import german from './languages/de.json';
import english from './languages/en.json';

// Every source of the interface, as text.
const sources = import.meta.glob<string>(['/src/**/*.{ts,tsx}', '!/src/**/*.test.*', '!/src/lib/i18n/**'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

interface Use {
  file: string;
  text: string;
  isCounted: boolean;
}

/** Each call of `t`: its text, and whether it counts something. */
function usesIn(file: string, code: string): Use[] {
  const found: Use[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 't') {
      const [text, values] = node.arguments;
      if (!text || !ts.isStringLiteralLike(text)) throw new Error(`${file}: t() takes a text, not ${text?.getText()}`);
      const isCounted =
        !!values &&
        ts.isObjectLiteralExpression(values) &&
        values.properties.some((property) => property.name?.getText() === 'count');
      found.push({ file, text: text.text, isCounted });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX));
  return found;
}

const uses = Object.entries(sources).flatMap(([file, code]) => usesIn(file, code));
const plurals = (text: string) => [`${text}_one`, `${text}_other`];
const keysOf = ({ text, isCounted }: Use) => (isCounted ? plurals(text) : [text]);
const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).toSorted();

it('German has every text of the interface', () => {
  const missing = uses.filter((use) => keysOf(use).some((key) => !(key in german)));
  expect(missing.map(({ file, text }) => `${file}: ${text}`)).toEqual([]);
});

it('English has both forms of every text that counts', () => {
  const missing = uses.filter((use) => use.isCounted && keysOf(use).some((key) => !(key in english)));
  expect(missing.map(({ file, text }) => `${file}: ${text}`)).toEqual([]);
});

it.each([['German', german as Record<string, string>], ['English', english as Record<string, string>]])('%s has no text that nothing shows', (_, catalogue) => {
  const used = new Set(uses.flatMap(keysOf));
  expect(Object.keys(catalogue).filter((key) => !used.has(key))).toEqual([]);
});

it.each([['German', german as Record<string, string>], ['English', english as Record<string, string>]])('%s fills the same holes', (_, catalogue) => {
  const differing = Object.entries(catalogue).filter(([key, text]) => {
    const [wanted, given] = [holes(key), holes(text)];
    return key.endsWith('_one') ? given.some((hole) => !wanted.includes(hole)) : String(wanted) !== String(given);
  });
  expect(differing).toEqual([]);
});
