import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter, Route, Routes } from 'react-router';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Project, RefreshTimeline, Stat } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { TimelinePage } from './TimelinePage';

const stat = (value: number, n = 100): Stat => ({ value, low: value - 0.05, high: value + 0.05, n, too_few: false });
const cell = (batch: number, intensity: number | null, value: number, difference: Stat | null = null) => ({ batch, intensity, stat: stat(value), difference });

const TWO: RefreshTimeline = {
  n_refreshes: 2,
  batches: [0, 1],
  n_batches: 2,
  refreshes: [
    {
      id: 11, number: 1, name: 'June', state: 'succeeded', trigger: 'hand', started_at: '2026-06-01T00:00:00Z', finished_at: '2026-06-01T02:00:00Z',
      model: { id: 21, version: 1, state: 'retired', accuracy: stat(0.61), incumbent: null, levels: [{ intensity: 2, stat: stat(0.66) }], batches: [cell(0, null, 0.61), cell(0, 2, 0.66)] },
      agreement: null, drift: null, round: null, cost: null,
    },
    {
      id: 12, number: 2, name: '', state: 'running', trigger: 'drift', started_at: '2026-07-01T00:00:00Z', finished_at: null,
      model: {
        id: 22, version: 2, state: 'promoted', accuracy: stat(0.72),
        incumbent: { id: 21, version: 1, difference: stat(0.06) },
        levels: [{ intensity: 2, stat: stat(0.83) }],
        batches: [cell(0, null, 0.7), cell(1, null, 0.77, stat(0.11)), cell(0, 2, 0.8), cell(1, 2, 0.88)],
      },
      agreement: { pairs: stat(0.81), ceiling: stat(0.86) },
      drift: { id: 31, number: 4, verdict: 'strong', measures: [{ name: 'classifier', value: 0.93, low: 0.9, high: 0.96 }, { name: 'outliers', value: 0.2, low: 0.1, high: 0.3 }] },
      round: { id: 41, number: 1, n_asked: 50, n_labelled: 48, n_labels: 140, accuracy: { chosen: stat(0.45), random: stat(0.58) }, agreement: stat(0.77) },
      cost: { n_labels: 150, n_untimed: 3, hours: 2.25, amount: '45.00', currency: 'EUR' },
    },
  ],
};

let found: RefreshTimeline;

function open(path = '/projects/p/refreshes/timeline') {
  const project = { slug: 'p', capabilities: ['review'], intensity_labels: ['much better', 'slightly better'] } as Partial<Project> as Project;
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter initialEntries={[path]}>
          <ProjectContext.Provider value={project}>
            <Routes>
              <Route path="/projects/p/refreshes/timeline" element={<TimelinePage />} />
            </Routes>
          </ProjectContext.Provider>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

beforeEach(() => {
  found = TWO;
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(found), { headers: { 'Content-Type': 'application/json' } })));
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const texts = (table: HTMLElement) => [...(table as HTMLTableElement).rows].map((row) => [...row.cells].map((one) => one.textContent));

it('says what brings the first row', async () => {
  found = { refreshes: [], n_refreshes: 0, batches: [], n_batches: 0 };
  open();
  expect(await screen.findByText(/The first row comes when a refresh has trained a reward model/)).toBeTruthy();
  expect(screen.getByRole('link', { name: 'To the refreshes' }).getAttribute('href')).toBe('/projects/p/refreshes');
  expect(screen.queryByRole('table')).toBeNull();
});

it('has every model on every batch, models in order, and says where one was not judged', async () => {
  open();
  const table = await screen.findByRole('table', { name: 'Accuracy by batch' });
  const [head, first, second] = texts(table);
  expect(head).toEqual(['Reward model', 'not asked for by a round', 'Round 1']);
  expect(first?.[0]).toBe('v1');
  expect(first?.[2]).toContain('v1, Round 1: not judged');
  expect(second?.[2]).toContain('77');
  const own = within(table).getByTitle(/^v2, Round 1: 77\.0.*100 comparisons; \+11\.0 points \(\+6\.0 to \+16\.0\) to v1$/);
  expect(own.className).toContain('own');
  expect(within(table).getByTitle(/^v2, not asked/).className).not.toContain('own');
});

it('shows one intensity alone when it is chosen', async () => {
  const user = open();
  await user.click(await screen.findByRole('radio', { name: 'much better' }));
  const table = screen.getByRole('table', { name: 'Accuracy by batch' });
  expect(within(table).getByTitle(/^v2, Round 1, much better: 88\.0/)).toBeTruthy();
  expect(within(table).queryByTitle(/77\.0/)).toBeNull();
});

it('opens at the intensity that the address names', async () => {
  open('/projects/p/refreshes/timeline?intensity=2');
  expect(await screen.findByTitle(/^v2, Round 1, much better: 88\.0/)).toBeTruthy();
});

it('has the chart’s numbers as a table, the latest first', async () => {
  open();
  const table = await screen.findByRole('table', { name: 'Held-out accuracy by refresh' });
  const [head, first, second] = texts(table);
  expect(head).toEqual(['Refresh', 'Reward model', 'All intensities', 'much better']);
  expect(first?.slice(0, 2)).toEqual(['2', 'v2']);
  expect(first?.[3]).toMatch(/^83\.0.% \(78\.0.% to 88\.0.%\), n = 100$/);
  expect(second?.[2]).toMatch(/^61\.0/);
});

it('says what each refresh found, brought and cost', async () => {
  open();
  const table = await screen.findByRole('table', { name: 'What each refresh found and cost' });
  const [, latest, earlier, together] = within(table).getAllByRole('row');
  if (!latest || !earlier || !together) throw new Error('rows are missing');
  expect(latest.textContent).toContain('to v1: +6.0 points (+1.0 to +11.0)');
  expect(latest.textContent).toContain('on the new batch: +11.0 points');
  expect(within(latest).getByText('Strong drift')).toBeTruthy();
  expect(within(latest).getByText(/^told apart 0\.93 · outside 20\.0/)).toBeTruthy();
  expect(latest.textContent).toContain('48 of 50 labelled');
  expect(within(latest).getByText(/^model before was right: at random 58\.0.*, chosen 45\.0/)).toBeTruthy();
  expect(within(latest).getByText('€45.00')).toBeTruthy();
  expect(within(latest).getByText('3 without a time, taken as the others')).toBeTruthy();
  expect(within(latest).getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual([
    '/projects/p/refreshes/12', '/projects/p/reward-models/22', '/projects/p/drift/31', '/projects/p/sampling-rounds/41',
  ]);
  expect(within(earlier).getByRole('link', { name: '1 · June' })).toBeTruthy();
  expect(together.textContent).toBe('Together1502.3€45.00');
});

it('says of how many refreshes and batches it shows the latest', async () => {
  found = { ...TWO, n_refreshes: 73, n_batches: 31 };
  open();
  expect(await screen.findByText('The latest 2 of 73 refreshes.')).toBeTruthy();
  expect(screen.getByText(/The newest 2 of 31 batches\./)).toBeTruthy();
});

it('says that nothing was judged yet where refreshes have no model', async () => {
  found = { ...TWO, batches: [], refreshes: TWO.refreshes.map((row) => ({ ...row, model: null })) };
  open();
  expect(await screen.findByText('No refresh has judged a reward model on held-out comparisons yet.')).toBeTruthy();
  expect(screen.queryByRole('table', { name: 'Accuracy by batch' })).toBeNull();
  expect(screen.queryByRole('radio')).toBeNull();
  expect(screen.getByRole('table', { name: 'What each refresh found and cost' })).toBeTruthy();
});
