import { MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { Notifications, notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, configure, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { createMemoryRouter, RouterProvider } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capability, ComparisonDetail, JudgedComparison, Project } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { ComparisonPage } from './ComparisonPage';
import { DisagreementsPage } from './DisagreementsPage';
import { placeOf } from './walk';

const PROJECT = {
  slug: 'p', intensity_labels: ['significantly better', 'better', 'slightly better', 'unsure'], ties_allowed: false,
  bucket_axis: '', bucket_labels: [],
} as Partial<Project> as Project;
// A page of many parts, on a machine that may have other work.
configure({ asyncUtilTimeout: 5_000 });
vi.setConfig({ testTimeout: 20_000 });

const ALL: Capability[] = ['label', 'review', 'adjudicate', 'guidelines'];

let sent: { path: string; body: unknown }[];
let queue: number[];
let settled: Set<number>;
let judged: JudgedComparison[];

const row = (comparison: number) => ({
  comparison, prompt_excerpt: `Prompt ${comparison}`, n_a: 2, n_b: 2, n_ties: 0, n_flags: 0, worth: 1, reasons: ['split'],
  answer: { p_a: 0.6, p_b: 0.3, p_tie: 0.1, expected_intensity: 1.2 }, model: null,
});
const side = (text: string) => ({ id: 1, text, source: { name: 'sft-1', kind: 'sft' } });
const comparison = (id: number) => ({
  id, prompt_excerpt: `Prompt ${id}`, state: settled.has(id) ? 'adjudicated' : 'open', priority: 0, n_wanted: 4, n_required: null,
  n_ratings: 4, n_a: 2, n_b: 2, n_ties: 0, n_flags: 0, disagreement: 0.5, is_gold: false, warnings: [],
  created_at: '2026-09-01T00:00:00Z', prompt: { messages: [{ role: 'user', content: `Question ${id}?` }] },
  a: side('Alpha.'), b: side('Beta.'), gold_preferred: null, gold_intensity: null, ratings: [], flags: [],
  adjudication: settled.has(id)
    ? { id: 90 + id, reviewer: 'Rea', verdict: 'a', intensity: 3, note: '', guideline_section: '', guideline_version: 1, created_at: '2026-09-02T00:00:00Z' }
    : null,
}) as unknown as ComparisonDetail;

function json(status: number, body: unknown) {
  return Promise.resolve(new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } }));
}

/** A server with a queue of disagreements, in which what is settled drops out of it. */
function answer(url: string, { method = 'GET', body }: RequestInit = {}) {
  const path = new URL(url, 'http://x').pathname.replace('/api/v1/', '').replace('projects/p/', '');
  if (path === 'me') return json(200, { id: 1, pseudonym: 'L-REA', memberships: [] });
  if (path === 'guidelines/current') return json(200, { number: 1, body: '# Helpful\n\n## Length', examples: [] });
  if (path === 'disagreements') {
    return json(200, { next: null, previous: null, results: queue.filter((id) => !settled.has(id)).map(row) });
  }
  const [, id = '', action] = /^comparisons\/(\d+)(?:\/([\w-]+))?$/.exec(path) ?? [];
  if (action === 'answer') return json(200, { answer: row(7).answer, model: null, worth: 1, reasons: ['split'] });
  if (action === 'ai-ratings') return json(200, judged);
  if (method === 'GET') return json(200, comparison(Number(id)));
  sent.push({ path, body: JSON.parse(String(body)) });
  if (action === 'adjudication') settled.add(Number(id));
  return json(201, {});
}

function open(path: string, capabilities = ALL) {
  const router = createMemoryRouter(
    [
      { path: '/projects/p/disagreements', Component: DisagreementsPage },
      { path: '/projects/p/comparisons/:id', Component: ComparisonPage },
    ],
    { initialEntries: [`/projects/p/${path}`] },
  );
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <ProjectContext value={{ ...PROJECT, capabilities }}>
          <ModalsProvider>
            <Notifications />
            <RouterProvider router={router} />
          </ModalsProvider>
        </ProjectContext>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { router, user: userEvent.setup({ delay: null }) };
}

const heading = (id: number) => screen.findByRole('heading', { name: `Comparison ${id}` });
const verdict = (text: string | RegExp) => screen.findByText(text, { selector: '[role=status]' });

beforeEach(() => {
  [sent, queue, settled, judged] = [[], [7, 8, 9], new Set(), []];
  localStorage.clear();
  vi.stubGlobal('fetch', answer);
  vi.stubGlobal('scrollTo', () => undefined);
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {},
  }));
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
});

afterEach(() => {
  cleanup();
  notifications.clean();
  vi.unstubAllGlobals();
});

describe('a verdict by keys', () => {
  it('is chosen first and settled then, with nothing else', async () => {
    const { user } = open('comparisons/7');
    await heading(7);
    await user.keyboard('{Enter}');
    expect(sent).toEqual([]);
    await user.keyboard('2');
    await verdict('Chosen: A better');
    expect(screen.getByRole('button', { name: 'A better (2)', pressed: true })).toBeTruthy();
    await user.keyboard('x');
    await verdict('Chosen: Not a valid comparison');
    await user.keyboard('8');
    await verdict('Chosen: B significantly better');
    expect(sent).toEqual([]);
    await user.keyboard('{Enter}');
    await screen.findByText('Settled: B significantly better.');
    expect(sent).toEqual([
      {
        path: 'comparisons/7/adjudication',
        body: {
          preferred: 'b', intensity: 4, note: '', guideline_section: '', then: { gold: false, worked_example: null, guideline_note: '' },
        },
      },
    ]);
  });

  it('leaves what is typed in fields alone; Ctrl+Enter settles from there', async () => {
    const { user } = open('comparisons/7');
    await heading(7);
    await user.keyboard('3j');
    const note = await screen.findByRole('textbox', { name: 'Why' });
    await waitFor(() => expect(document.activeElement).toBe(note));
    await user.keyboard('8 reasons, no tie');
    await verdict('Chosen: A slightly better');
    await user.keyboard('{Control>}{Enter}{/Control}');
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]?.body).toMatchObject({ preferred: 'a', intensity: 2, note: '8 reasons, no tie' });
  });

  it('makes gold, a worked example and a note in the same step', async () => {
    const { user } = open('comparisons/7');
    await heading(7);
    await user.keyboard('1oe');
    await user.keyboard('{Enter}');
    await screen.findByText('Write the reason that labellers will read.');
    expect(sent).toEqual([]);
    fireEvent.change(screen.getByRole('textbox', { name: /^Reason in the guidelines/ }), { target: { value: 'It answers.' } });
    await user.click(screen.getByRole('checkbox', { name: /^Note for the next guidelines/ }));
    fireEvent.change(screen.getByRole('textbox', { name: /^What they should say/ }), { target: { value: 'Say so.' } });
    await user.click(screen.getByRole('button', { name: /^Settle/ }));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]?.body).toMatchObject({
      preferred: 'a', intensity: 4,
      then: { gold: true, worked_example: { rationale: 'It answers.', in_quiz: false }, guideline_note: 'Say so.' },
    });
  });

  it('lists its keys', async () => {
    const { user } = open('comparisons/7?queue=1');
    await heading(7);
    await screen.findByText('1 of the first 3');
    await user.keyboard('?');
    const keys = within(await screen.findByRole('dialog', { name: 'Keys' }));
    for (const what of ['A significantly better', 'Tie', 'Not valid', 'Settle', 'Make it gold', 'Next comparison']) keys.getByText(what);
  });

  it('is not given by who may only read', async () => {
    const { user } = open('comparisons/7', ['label', 'review']);
    await heading(7);
    await user.keyboard('1{Enter}');
    expect(screen.queryByRole('group', { name: 'Which is better?' })).toBeNull();
    expect(sent).toEqual([]);
  });
});

describe('going through the queue', () => {
  it('comes to the next by itself, and back by the message', async () => {
    const { user, router } = open('disagreements');
    await user.click(await screen.findByRole('link', { name: 'Prompt 7' }));
    await heading(7);
    await screen.findByText('1 of the first 3');
    await user.keyboard('2{Enter}');
    await heading(8);
    await screen.findByText('2 of the first 3');
    await user.click(await screen.findByRole('button', { name: 'Go back to it' }));
    await heading(7);
    expect(router.state.location.search).toBe('?queue=1');
    await screen.findByText('1 of the first 3');
    screen.getByRole('heading', { name: 'Settle it anew' });
  });

  it('goes there and back by keys without settling anything', async () => {
    const { user } = open('comparisons/8?queue=1');
    await heading(8);
    await screen.findByText('2 of the first 3');
    await user.keyboard('n');
    await heading(9);
    await screen.findByText(/That was the last of them/);
    await user.keyboard('np');
    await heading(8);
    await user.keyboard('p');
    await heading(7);
    expect(sent).toEqual([]);
  });

  it('sends a comparison back to labelling and goes on', async () => {
    const { user } = open('comparisons/7?queue=1');
    await screen.findByText('1 of the first 3');
    await user.click(screen.getByRole('button', { name: 'Send back to labelling' }));
    const dialog = await screen.findByRole('dialog');
    fireEvent.change(within(dialog).getByRole('textbox', { name: /^Reason/ }), { target: { value: 'Only two of them.' } });
    await user.click(within(dialog).getByRole('button', { name: 'Send back' }));
    await heading(8);
    expect(sent).toEqual([{ path: 'comparisons/7/reopen', body: { n_more: 2, reason: 'Only two of them.' } }]);
  });

  it.each([
    [7, { position: 1, n: 3, previous: null, next: 8 }],
    [8, { position: 2, n: 3, previous: 7, next: 9 }],
    [9, { position: 3, n: 3, previous: 8, next: null }],
    [5, { position: 0, n: 3, previous: null, next: 7 }],
  ])('knows where %s stands', (id, place) => {
    expect(placeOf([7, 8, 9], id)).toEqual(place);
  });
});

describe('what AI labellers say', () => {
  const judge = {
    id: 3, name: 'endpoint:mine', model: 'judge-1', chain_of_thought: true, version: { id: 2, number: 4, name: 'House rules' }, allowed_at: null,
  };
  const rating = {
    id: 1, principle: { id: 5, text: 'Prefer what is true.', axis: '', weight: 1 }, p_a: 0.8, p_first_order: 0.7, p_second_order: 0.9,
    has_probabilities: true, rationale: 'Four is even, so A is right.', created_at: '2026-09-03T00:00:00Z',
  };

  it('is marked as AI, with its constitution, its soft label and its reasons', async () => {
    judged = [{ judge, p_a: 0.8, ratings: [rating, { ...rating, id: 2, p_second_order: null, rationale: '' }] }];
    open('comparisons/7');
    await screen.findByRole('heading', { name: 'AI ratings' });
    const found = within(screen.getByRole('article', { name: 'AI rating by mine · judge-1' }));
    expect(found.getByText('AI')).toBeTruthy();
    expect(found.getByText('House rules v4 · with reasons · does not count')).toBeTruthy();
    expect(found.getByRole('img', { name: /^Soft label of mine · judge-1: A 80.%, B 20.%$/ })).toBeTruthy();
    expect(found.getByText('Four is even, so A is right.')).toBeTruthy();
    expect(found.getByText(/For A: 80 %. With A shown first 70 %, with B shown first no answer/)).toBeTruthy();
  });

  it('is nothing where none has judged', async () => {
    open('comparisons/7');
    await heading(7);
    await screen.findByRole('region', { name: 'What is known' });
    expect(screen.queryByRole('heading', { name: 'AI ratings' })).toBeNull();
  });
});
