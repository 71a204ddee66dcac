import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LabellerMessage, Project } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { messagesKey, UnreadMessages } from './Messages';

let messages: LabellerMessage[];
let queries: QueryClient;

const message = (id: number, text: string): LabellerMessage => ({
  id, text, sender: 'Rea', created_at: '2026-11-01T12:00:00Z', read_at: null,
});

function page(heldFor?: number) {
  return (
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <ProjectContext value={{ slug: 'p' } as Project}>
          <UnreadMessages heldFor={heldFor} />
        </ProjectContext>
      </QueryClientProvider>
    </MantineProvider>
  );
}

beforeEach(() => {
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  vi.stubGlobal('fetch', (url: string, { method }: RequestInit) => {
    const [, read] = /messages\/(\d+)\/read$/.exec(url) ?? [];
    if (method === 'POST') messages = messages.filter(({ id }) => id !== Number(read));
    const body = { next: null, previous: null, results: messages };
    return Promise.resolve(new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const come = (one: LabellerMessage) => {
  messages = [one, ...messages];
  return queries.invalidateQueries({ queryKey: messagesKey('p') });
};

it('shows what is unread until it is marked as read', async () => {
  messages = [message(2, 'Second.'), message(1, 'First.')];
  render(page());
  await screen.findByText('First.');
  // In the order in which they were written.
  await userEvent.click(screen.getAllByRole('button', { name: 'Mark as read' })[0] as HTMLElement);
  await waitFor(() => expect(screen.queryByText('First.')).toBeNull());
  screen.getByText('Second.');
});

it('does not move the pair on the screen: what comes meanwhile waits for the next one', async () => {
  messages = [message(1, 'First.')];
  const { rerender } = render(page(7));
  await screen.findByText('First.');
  await come(message(2, 'Second.'));
  await waitFor(() => expect(queries.isFetching()).toBe(0));
  expect(screen.queryByText('Second.')).toBeNull();
  rerender(page(8));
  await screen.findByText('Second.');
});

it('is not there where there is nothing to read', async () => {
  messages = [];
  render(page());
  await waitFor(() => expect(queries.isFetching()).toBe(0));
  expect(screen.queryByRole('region')).toBeNull();
});
