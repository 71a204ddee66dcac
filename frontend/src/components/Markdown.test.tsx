import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Markdown } from './Markdown';

const show = (...texts: string[]) =>
  render(
    <MantineProvider env="test">
      {texts.map((text) => (
        <Markdown key={text} text={text} />
      ))}
    </MantineProvider>,
  );

// jsdom has none.
beforeEach(() => {
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined,
  }));
});
afterEach(cleanup);

describe('what a text cannot do', () => {
  it.each([
    ['run a script', 'so <script>window.hacked = true</script> it is'],
    ['run a handler', '<img src="x" onerror="alert(1)">'],
    ['frame a page', '<iframe src="https://example.com"></iframe>'],
    ['style the page', '<style>* { display: none }</style>\n\n<p style="position: fixed">over all</p>'],
    ['hide a form', '<form action="https://example.com"><input name="password"></form>'],
    ['draw', '<svg onload="alert(1)"><circle r="9"/></svg>'],
    ['load by formula', '$\\includegraphics{https://example.com/x.png}$ and $\\href{javascript:alert(1)}{x}$'],
    ['class by formula', '$\\htmlClass{evil}{x}$'],
  ])('%s', async (_, text) => {
    const { container } = show(text);
    await waitFor(() => expect(container.textContent).not.toBe(''));
    const forbidden = 'script, iframe, form, input, svg, img, .evil, [onerror], [onload], [style*="fixed"], a[href^="javascript"]';
    expect(container.querySelectorAll(`.mantine-Typography-root :is(${forbidden})`)).toHaveLength(0);
  });

  it.each([['javascript:alert(1)'], ['JaVaScRiPt:alert(1)'], ['data:text/html,x'], ['vbscript:x']])('link to %s', (address) => {
    show(`[here](<${address}>)`);
    expect(screen.getByText('here').getAttribute('href') ?? '').toBe('');
  });

  it('load a picture', () => {
    const { container } = show('![a cat](https://example.com/cat.png) and ![](https://example.com/pixel.png)');
    expect(container.querySelector('img')).toBeNull();
    expect(container.textContent).toContain('[picture: a cat] and [picture]');
  });

  it('open links with a way back to this page', () => {
    show('[here](https://example.com)');
    expect(screen.getByRole('link').getAttribute('rel')).toContain('noopener');
  });
});

it('shows HTML as it was written, so that nothing of a completion is missing', () => {
  const { container } = show('<think>\nFirst **this**.\n</think>\n\nSo <b>that</b> it is<br>really: 1 < 2.\n\n| a<br>b |\n|---|');
  const [thought, said] = container.querySelectorAll('p');
  expect(thought?.textContent).toBe('<think>\nFirst **this**.\n</think>');
  expect(said?.textContent).toBe('So <b>that</b> it is\nreally: 1 < 2.');
  expect(container.querySelector('th br')).toBeTruthy();
});

it('shows tables', () => {
  show('| a | b |\n|---|---|\n| 1 | 2 |');
  expect(within(screen.getByRole('table')).getAllByRole('cell').map((cell) => cell.textContent)).toEqual(['1', '2']);
});

it('colours code in a language, once what colours it has been loaded', async () => {
  const { container } = show('```python\ndef f(): return "x"\n```');
  expect(container.querySelector('pre')?.textContent).toBe('def f(): return "x"\n');
  await waitFor(() => expect(container.querySelector('.hljs-keyword')?.textContent).toBe('def'), { timeout: 5000 });
  expect(container.querySelector('pre')?.textContent).toBe('def f(): return "x"\n');
});

describe('formulas', () => {
  it('are set, once what sets them has been loaded', async () => {
    const { container } = show('so \\(x^2\\) and\n\n$$\n\\frac{a}{b}\n$$');
    expect(container.textContent).toContain('\\(x^2\\)');
    await waitFor(() => expect(container.querySelectorAll('math')).toHaveLength(2), { timeout: 5000 });
    expect(container.querySelector('math[display=block] mfrac')).toBeTruthy();
    // No style attributes: nothing for the page's security policy to refuse.
    expect(container.querySelector('.mantine-Typography-root [style]')).toBeNull();
    expect(container.querySelector('annotation')?.textContent).toBe('x^2');
  });

  it('stay as they were written where they make no sense', async () => {
    const { container } = show('$x$ but $\\frac{a$');
    await waitFor(() => expect(container.querySelectorAll('math')).toHaveLength(1));
    expect(container.textContent).toContain('$\\frac{a$');
  });

  it('are none in prices and in code', () => {
    const { container } = show('It costs $5 and $10. `$x$`');
    expect(container.querySelector('p')?.textContent).toBe('It costs $5 and $10. $x$');
    expect(container.querySelector('.math-inline, math')).toBeNull();
  });

  it('leave emphasis, tables and addresses around them alone', async () => {
    const { container } = show('**so:** $a_1 * b_1$\n\n| $|x|$ | b |\n|---|---|\n| 1 | $y$ |\n\n[link](https://example.com/$a$b)');
    await waitFor(() => expect(container.querySelectorAll('math').length).toBeGreaterThanOrEqual(3));
    expect(container.querySelector('strong')?.textContent).toBe('so:');
    expect(container.querySelectorAll('th')).toHaveLength(2);
    expect(screen.getByRole('link', { name: 'link' }).getAttribute('href')).toBe('https://example.com/$a$b');
  });
});

describe('direction', () => {
  it('is that of each block', () => {
    const { container } = show('Hello there\n\nمرحبا بالعالم\n\n- שלום\n- Hi\n\n```\nx = "مرحبا"\n```');
    const of = (selector: string) => [...container.querySelectorAll(selector)].map((element) => element.getAttribute('dir'));
    expect(of('p')).toEqual(['ltr', 'rtl']);
    expect(of('ul')).toEqual(['rtl']);
    expect(of('li')).toEqual(['rtl', 'ltr']);
    expect(of('pre')).toEqual(['ltr']);
  });
});

it('keeps the footnotes of two texts apart', () => {
  const { container } = show('One[^1]\n\n[^1]: first', 'Two[^1]\n\n[^1]: second');
  const ids = [...container.querySelectorAll('[id]')].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const targets = [...container.querySelectorAll('sup a')].map((link) =>
    container.querySelector(`[id="${link.getAttribute('href')?.slice(1)}"]`)?.textContent?.trim(),
  );
  expect(targets).toEqual([expect.stringContaining('first'), expect.stringContaining('second')]);
});
