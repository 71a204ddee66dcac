import { MantineProvider } from '@mantine/core';
import { Notifications, notifications } from '@mantine/notifications';
import { act, cleanup, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Span } from '@/lib/api/types';
import { CompletionPair } from './CompletionPair';
import { select } from './selection';
import { usePairView, type PairView } from './usePairView';

const FIRST = 'A 👍 **good** answer.';
const SECOND = 'A **bad** answer.';

let said: Span[] = [];
interface Given {
  view?: Partial<PairView>;
  isLengthShown?: boolean;
  isHighlighting?: boolean;
  spans?: Span[];
  second?: string;
}

function Screen({ view: wanted, isLengthShown = false, isHighlighting = false, spans: before = [], second = SECOND }: Given) {
  const [view, change] = usePairView();
  const [spans, setSpans] = useState(before);
  return (
    <CompletionPair
      first={FIRST}
      second={second}
      isLengthShown={isLengthShown}
      view={{ ...view, ...wanted }}
      onView={change}
      spans={spans}
      onSpans={(next) => {
        said = next;
        setSpans(next);
      }}
      isHighlighting={isHighlighting}
    />
  );
}
const show = (given: Given = {}) =>
  render(
    <MantineProvider env="test">
      <Notifications />
      <Screen {...given} />
    </MantineProvider>,
  );
const side = (name: string) => screen.getByRole('region', { name: `Completion ${name}` });
const markable = (name: string) => screen.getByRole('application', { name: `Text of completion ${name}, to mark` });

beforeEach(() => {
  said = [];
  localStorage.clear();
  // jsdom has none.
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined,
  }));
});
afterEach(() => {
  cleanup();
  notifications.clean();
});

describe('the two completions', () => {
  it('are shown as Markdown, each with its name and a button to copy it', async () => {
    userEvent.setup();
    show();
    expect(within(side('A')).getByText('good').tagName).toBe('STRONG');
    await userEvent.click(within(side('B')).getByRole('button', { name: 'Copy completion B' }));
    expect(await navigator.clipboard.readText()).toBe(SECOND);
  });

  it('can be shown as they were written', () => {
    show({ view: { isRaw: true } });
    expect(within(side('A')).getByText(FIRST)).toBeTruthy();
  });

  it('scroll by themselves where the labeller wants it, with the keyboard too', () => {
    const { unmount } = show();
    expect(screen.queryByRole('region', { name: 'Text of completion A' })).toBeNull();
    unmount();
    show({ view: { isScrollShared: false } });
    for (const name of ['A', 'B']) {
      expect(screen.getByRole('region', { name: `Text of completion ${name}` }).tabIndex).toBe(0);
    }
  });

  it.each([
    [false, []],
    [true, ['4 words · 20 characters', '3 words · 17 characters']],
  ])('tell how long they are only where the project says so: %s', (isLengthShown, lengths) => {
    show({ isLengthShown });
    expect(screen.queryAllByText(/characters/).map(({ textContent }) => textContent)).toEqual(lengths);
  });
});

describe('the words that differ', () => {
  it('are underlined and said, and can be hidden again', async () => {
    show({ view: { isDiff: true } });
    const own = (name: string) => [...side(name).querySelectorAll('ins, del')].map(({ textContent }) => textContent);
    expect(own('B')).toEqual(['[only in B: bad]']);
    expect(own('A').join()).toContain('[only in A: ');
    expect(screen.getByText(/in one of the two only/).closest('[role=status]')).toBeTruthy();
  });

  it('are none in the same text', () => {
    show({ view: { isDiff: true }, second: FIRST });
    expect(screen.getByText('The two texts are the same word for word.')).toBeTruthy();
    expect(side('A').querySelector('ins, del')).toBeNull();
  });
});

describe('marking', () => {
  const GOOD: Span = { side: 'first', start: 6, end: 10, quote: 'good' };

  it('goes word by word with the keyboard, past an emoji', async () => {
    show({ isHighlighting: true });
    act(() => markable('A').focus());
    await userEvent.keyboard('{ArrowRight}{ArrowRight}');
    expect(String(document.getSelection())).toBe('good');
    expect(screen.getAllByRole('status').map(({ textContent }) => textContent)).toContain('good');
    await userEvent.keyboard('{Enter}');
    expect(said).toEqual([GOOD]);
    expect(markable('A').querySelector('mark')?.textContent).toBe('good');
    expect(markable('A').textContent).toBe(FIRST);
    await userEvent.keyboard('{Shift>}{ArrowRight}{/Shift}{Enter}');
    expect(said).toEqual([{ ...GOOD, end: 19, quote: 'good** answer' }]);
    await userEvent.keyboard('{Backspace}');
    expect(said).toEqual([]);
  });

  it('leaves other keys to the page', async () => {
    show({ isHighlighting: true });
    const keys: string[] = [];
    const listen = ({ key, defaultPrevented }: KeyboardEvent) => !defaultPrevented && keys.push(key);
    window.addEventListener('keydown', listen);
    act(() => markable('B').focus());
    await userEvent.keyboard('1h{ArrowRight}{Tab}');
    window.removeEventListener('keydown', listen);
    expect(keys).toEqual(['1', 'h', 'Tab']);
  });

  it('goes with the mouse', async () => {
    show({ isHighlighting: true });
    const text = markable('A').firstChild as Text;
    const user = userEvent.setup();
    await user.pointer([
      { keys: '[MouseLeft>]', target: markable('A'), node: text, offset: 7 },
      { node: text, offset: 11, target: markable('A') },
      { keys: '[/MouseLeft]', target: document.body },
    ]);
    expect(said).toEqual([GOOD]);
    expect(document.getSelection()?.isCollapsed ?? true).toBe(true);
  });

  it('goes with a button, where there is no mouse', async () => {
    show({ isHighlighting: true });
    const button = within(side('B')).getByRole('button', { name: 'Mark the selection' });
    await userEvent.click(button);
    expect(said).toEqual([]);
    expect(screen.getByText('Nothing is selected.')).toBeTruthy();
    select(markable('B'), { start: 4, end: 7 });
    button.focus();
    await userEvent.keyboard('{Enter}');
    expect(said).toEqual([{ side: 'second', start: 4, end: 7, quote: 'bad' }]);
  });

  it('shows what is marked when it is over too, and takes it away', async () => {
    show({ spans: [GOOD], view: { isRaw: true } });
    expect(side('A').querySelector('mark')?.textContent).toBe('good');
    const marked = screen.getByRole('list', { name: 'Marked in completion A' });
    expect(within(marked).getByText('good')).toBeTruthy();
    await userEvent.click(within(marked).getByRole('button', { name: 'Remove the mark: good' }));
    expect(said).toEqual([]);
    expect(screen.queryByRole('list')).toBeNull();
  });

  it('ends at as many passages as the server takes', async () => {
    const spans = Array.from({ length: 20 }, (_, at): Span => ({ side: 'second', start: at, end: at + 1, quote: 'x' }));
    show({ isHighlighting: true, spans });
    act(() => markable('A').focus());
    await userEvent.keyboard('{ArrowRight}{Enter}');
    expect(said).toEqual([]);
    expect(within(side('B')).getAllByRole('listitem')).toHaveLength(20);
    expect(await screen.findByText('No more than 20 passages can be marked.')).toBeTruthy();
  });
});

describe('the view', () => {
  function View() {
    const [view, change] = usePairView();
    const flip = (name: keyof PairView) => () => change({ [name]: !view[name] });
    return (['isRaw', 'isDiff', 'isScrollShared'] as const).map((name) => (
      <button key={name} aria-pressed={view[name]} onClick={flip(name)}>
        {name}
      </button>
    ));
  }
  const pressed = () => screen.queryAllByRole('button', { pressed: true }).map(({ textContent }) => textContent);

  it('is remembered, differences apart', async () => {
    const { unmount } = render(<View />);
    expect(pressed()).toEqual(['isScrollShared']);
    for (const button of screen.getAllByRole('button')) await userEvent.click(button);
    expect(pressed()).toEqual(['isRaw', 'isDiff']);
    unmount();
    render(<View />);
    expect(pressed()).toEqual(['isRaw']);
  });
});
