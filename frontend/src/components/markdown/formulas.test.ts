import { describe, expect, it } from 'vitest';
import { setFormulasAside, sourceOf } from './formulas';

const found = (text: string) => setFormulasAside(text).formulas.map(({ written, isDisplay }) => (isDisplay ? `display ${written}` : written));

describe('setFormulasAside', () => {
  it.each([
    ['a formula between dollars', 'so $x^2$ it is', ['$x^2$']],
    ['one between round brackets', 'so \\(x^2\\) it is', ['\\(x^2\\)']],
    ['one between square brackets', 'so \\[x^2\\] it is', ['display \\[x^2\\]']],
    ['one between double dollars on one line', '$$E = mc^2$$', ['display $$E = mc^2$$']],
    ['one on several lines', '$$\na\n+ b\n$$', ['display $$\na\n+ b\n$$']],
    ['one with blank lines, its brackets on lines of their own', '\\[\n\na\n\n\\]', ['display \\[\n\na\n\n\\]']],
    ['an environment by itself', 'So\n\\begin{align*}a &= b\\end{align*}', ['display \\begin{align*}a &= b\\end{align*}']],
    ['line ends in matrices', '\\(\\begin{matrix}a\\\\(b)\\end{matrix}\\)', ['\\(\\begin{matrix}a\\\\(b)\\end{matrix}\\)']],
    ['several', '$a$, $b$ and \\(c\\)', ['$a$', '$b$', '\\(c\\)']],
    ['one after a price', 'for $5 with $x = 2$', ['$x = 2$']],
    ['a single letter in brackets', 'with \\(n\\) rows', ['\\(n\\)']],
    ['words in a command', '$\\text{speed of light}$', ['$\\text{speed of light}$']],
    ['one before a suffix', 'the $n$th', ['$n$']],
    ['one in a quotation', '> \\[\n> a\n> \\]', ['display \\[\na\n\\]']],
    ['one after code', '```\n$a$\n```\n$b$', ['$b$']],
    ['one in a line of a table', '| $|x|$ | b |', ['$|x|$']],
  ])('finds %s', (_, text, formulas) => {
    expect(found(text)).toEqual(formulas);
  });

  it.each([
    ['prices', 'It costs $5 and $10.'],
    ['a range of prices', 'from $5-$10, or 5$-10$'],
    ['prices with words between', 'paid $20 (a total of five) or 30$.'],
    ['prices in other dollars', 'US$5 and A$6 or C$'],
    ['a lone dollar', 'a $ sign'],
    ['variables of a shell', 'in $HOME/bin:$PATH and $HOME/$USER'],
    ['escaped dollars', 'so \\$x\\$ it is'],
    ['code', 'so `$x$` and ``\\(a`b\\)`` it is'],
    ['a fence', '```latex\n$x$ \\[a\\]\n```'],
    ['a fence of tildes, in a list', '- ~~~\n  $x$\n  ~~~'],
    ['a fence that is never closed', '```\n$x$'],
    ['escaped brackets of a link', 'see \\[here\\](https://example.com)'],
    ['an escaped citation', 'as shown \\[1, 2\\]'],
    ['an escaped aside', 'so \\(see the note above\\) it is'],
    ['brackets after an escaped backslash', 'so \\\\(x\\\\) it is'],
    ['a formula that is never closed', '$$\nand then \\( more \\[ text'],
    ['one across paragraphs', '$a\n\nb$'],
    ['three dollars', '$$$ a $$$'],
    ['nothing between', '$$ $$ and \\( \\)'],
    ['very long ones', `$${'x'.repeat(5000)}$`],
  ])('leaves %s alone', (_, text) => {
    expect(setFormulasAside(text)).toEqual({ text, formulas: [] });
  });

  it('leaves a placeholder that no text can hold', () => {
    const { text } = setFormulasAside('\u27e6\ufdd07\ufdd1\u27e7 and $x$');
    expect(text).toBe('\u27e6\ufffd7\ufffd\u27e7 and \u27e6\ufdd00\ufdd1\u27e7');
  });

  it.each([['\\('], ['\\['], ['$'], ['$$'], ['`'], ['$a '], ['\\begin{align}'], ['\\(a\n'], ['``` `'], ['\n> ']])('takes no long time over 100,000 times %j', (piece) => {
    const began = performance.now();
    setFormulasAside(`$${piece.repeat(100_000)}`);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

it.each([
  ['$a$', 'a'],
  ['$$a$$', 'a'],
  ['\\(a\\)', 'a'],
  ['\\[\na\n\\]', '\na\n'],
  ['\\begin{align}a\\end{align}', '\\begin{align}a\\end{align}'],
])('takes the delimiters off %j', (written, source) => {
  expect(sourceOf(written)).toBe(source);
});
