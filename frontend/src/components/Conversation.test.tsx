import { MantineProvider } from '@mantine/core';
import { cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Conversation } from './Conversation';

const TURNS = [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'What is **two** and two?' },
  { role: 'assistant', content: 'Four.' },
  { role: 'user', content: 'And **three**?' },
];

const show = (messages = TURNS, isFolded = true) =>
  render(
    <MantineProvider env="test">
      <Conversation messages={messages} isFolded={isFolded} />
    </MantineProvider>,
  );
const bold = () => [...document.querySelectorAll('strong')].map(({ textContent }) => textContent);

beforeEach(() => {
  localStorage.clear();
  // jsdom has none.
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined,
  }));
});
afterEach(cleanup);

describe('a folded conversation', () => {
  it('shows the last turn, and how the others begin', () => {
    show();
    expect(bold()).toEqual(['three']);
    const turns = screen.getAllByRole('button', { expanded: false }).map(({ textContent }) => textContent);
    expect(turns).toEqual(['Show 3 earlier turns', 'SystemBe kind.', 'UserWhat is **two** and two?', 'AssistantFour.']);
  });

  it('opens and closes one turn', async () => {
    show();
    await userEvent.click(screen.getByRole('button', { name: /What is/ }));
    expect(bold()).toEqual(['two', 'three']);
    const open = screen.getByRole('button', { name: 'User', expanded: true });
    expect(document.getElementById(open.getAttribute('aria-controls') ?? '')?.textContent).toContain('What is two');
    await userEvent.click(open);
    expect(bold()).toEqual(['three']);
  });

  it('opens all, and remembers it for the next prompt', async () => {
    const { unmount } = show();
    await userEvent.click(screen.getByRole('button', { name: 'Show 3 earlier turns' }));
    expect(bold()).toEqual(['two', 'three']);
    unmount();
    show();
    expect(bold()).toEqual(['two', 'three']);
    await userEvent.click(screen.getByRole('button', { name: 'Fold 3 earlier turns' }));
    expect(bold()).toEqual(['three']);
  });

  it('has nothing to fold in a single question', () => {
    show([{ role: 'user', content: 'Why?' }]);
    expect(screen.queryByRole('button')).toBeNull();
    expect(screen.queryByText('User')).toBeNull();
  });
});

it('shows all turns elsewhere', () => {
  show(TURNS, false);
  expect(bold()).toEqual(['two', 'three']);
  expect(screen.queryByRole('button')).toBeNull();
});
