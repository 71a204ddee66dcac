import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Block, Me, NextRankings, Project, RankingAssignment, RankingOrder } from '@/lib/api/types';
import { ownerKey, openStore } from '@/lib/outbox/store';
import { meKey, ProjectContext } from '@/lib/session';
import { RankingPage } from './RankingPage';

const PROJECT = {
  slug: 'helpfulness', name: 'Helpfulness', ties_allowed: true, justification_min_length: 0, ranking_size: 3,
  sensitive_tags: ['violence'], is_length_shown: false, capabilities: ['label'],
} as unknown as Project;
const ME = { id: 7 } as Me;
const RANKING: RankingAssignment = {
  id: 1,
  prompt: {
    messages: [
      { role: 'user', content: 'The first question' },
      { role: 'assistant', content: 'The first answer' },
      { role: 'user', content: 'The question to rank' },
    ],
  },
  completions: [{ text: 'first' }, { text: 'second' }, { text: 'third' }],
  warnings: [],
  lease_until: '2026-12-01T12:00:00Z',
};

let rankings: RankingAssignment[];
let block: Block | null;
let isDown: boolean;

beforeEach(() => {
  rankings = [RANKING];
  block = null;
  isDown = false;
  vi.stubGlobal('scrollTo', vi.fn());
  // What Mantine asks of a browser and jsdom does not have.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
  vi.stubGlobal('matchMedia', (media: string) => ({ matches: false, media, addEventListener() {}, removeEventListener() {} }));
  vi.stubGlobal('fetch', (path: string) => {
    if (isDown && path.endsWith('/rankings')) return Promise.resolve(Response.json({ detail: 'Down for now.' }, { status: 503 }));
    const progress = { ranked_today: 0, ranked_total: 0, available: 0, available_is_capped: false };
    const answer: NextRankings = { assignments: block ? [] : rankings, progress, guideline_version: 1, block };
    return Promise.resolve(Response.json({ ...answer, results: [] }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open() {
  const queries = new QueryClient();
  queries.setQueryData(meKey, ME);
  render(
    <MantineProvider>
      <QueryClientProvider client={queries}>
        <MemoryRouter>
          <ProjectContext value={PROJECT}>
            <RankingPage />
          </ProjectContext>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
}

describe('RankingPage', () => {
  it('goes to the note with J, and back to it', async () => {
    const user = userEvent.setup();
    open();
    await screen.findByText('The question to rank');
    await user.keyboard('j');
    const note = screen.getByRole('textbox', { name: 'Why (optional)' });
    expect(document.activeElement).toBe(note);
    await user.keyboard('because{Escape}');
    expect(document.activeElement).not.toBe(note);
    await user.keyboard('j');
    expect(document.activeElement).toBe(note);
    expect(note).toHaveProperty('value', 'because');
  });

  it('hears no J before the warning is answered', async () => {
    rankings = [{ ...RANKING, warnings: ['violence'] }];
    const user = userEvent.setup();
    open();
    await screen.findByText(/It is marked: violence/);
    await user.keyboard('j');
    expect(screen.queryByRole('textbox')).toBeNull();
  });

  it('shows the last turn of a conversation, and the beginning of those before', async () => {
    open();
    await screen.findByText('The question to rank');
    expect(screen.getByRole('button', { name: /^Assistant/ }).getAttribute('aria-expanded')).toBe('false');
  });

  it('says to a paused labeller what is unsent, and lets them look again', async () => {
    block = { code: 'paused', detail: 'Too many wrong.' };
    isDown = true;
    const client_id = 'c1';
    const judgement: RankingOrder = { client_id, assignment_id: 5, tiers: [[0], [1], [2]], active_ms: 1, justification: '' };
    const store = await openStore<RankingOrder>();
    await store.put({ client_id, owner: ownerKey(7, 'helpfulness', 'rankings'), queued_at: 1, judgement });
    const user = userEvent.setup();
    open();
    await screen.findByText('You are paused in this project');
    await screen.findByText(/1 ranking kept in this browser/);

    block = null;
    await user.click(screen.getByRole('button', { name: 'Check again' }));
    await waitFor(() => expect(screen.getByText('The question to rank')).toBeTruthy());
    await store.remove([client_id]);
  });
});
