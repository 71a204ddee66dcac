import { MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LabellerRow, Pairs, Project, Stat } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { Actions } from './Actions';
import { LabellersPage, orderingOf } from './LabellersPage';
import { pairCell } from './PairsOfLabellers';

const project = { slug: 'p', intensity_labels: ['better'], capabilities: ['label', 'review', 'adjudicate'] } as Partial<Project> as Project;
const stat = (value: number | null, n = 50): Stat => ({ value, low: value, high: value, n, too_few: value === null });
const labeller = (changes: Partial<LabellerRow> = {}): LabellerRow => ({
  id: 12, membership: 3, pseudonym: 'L-12', kind: 'person', name: 'Ann', n_ratings: 120,
  reliability: stat(0.8), with_others: stat(0.71), gold: stat(null, 2), self_agreement: stat(null, 0), first_side: stat(0.68), longer: stat(0.6),
  longer_excess: stat(0.1), too_fast: stat(0), drift: stat(null), median_active_ms: 48_000,
  findings: [{ code: 'position_bias', value: { value: 0.68, low: 0.61, high: 0.74, n: 120, too_few: false }, p_value: 0.0001, version: null }],
  paused_at: null, pause_reason: '', excluded_at: null, exclusion_reason: '', is_active: true, ...changes,
});
const PAIRS: Pairs = {
  labellers: [{ id: 12, pseudonym: 'L-12', n_ratings: 120 }, { id: 13, pseudonym: 'L-13', n_ratings: 100 }, { id: 14, pseudonym: 'L-14', n_ratings: 9 }],
  kappa: [[null, 0.62, null], [0.62, null, null], [null, null, null]],
  low: [[null, 0.5, null], [0.5, null, null], [null, null, null]],
  high: [[null, 0.71, null], [0.71, null, null], [null, null, null]],
  n: [[0, 80, 4], [80, 0, 1], [4, 1, 0]],
  weighted: [[null, 0.7, null], [0.7, null, null], [null, null, null]],
};

let sent: { method?: string; url: string; body: unknown }[];

beforeEach(() => {
  sent = [];
  vi.stubGlobal('fetch', (url: string, { method, body }: RequestInit) => {
    sent.push({ method, url, body: typeof body === 'string' ? JSON.parse(body) : null });
    const answer = url.includes('/pairs') ? PAIRS : url.includes('/labellers?') ? { count: 1, next: null, previous: null, results: [labeller()] } : {};
    return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } }));
  });
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open(page: React.ReactNode, at = '/') {
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <ModalsProvider>
          <MemoryRouter initialEntries={[at]}>
            <ProjectContext.Provider value={project}>{page}</ProjectContext.Provider>
          </MemoryRouter>
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

const asked = () => sent.filter(({ url }) => url.includes('/labellers?')).map(({ url }) => new URL(url, 'http://x').searchParams);

describe('the table of labellers', () => {
  it('is sorted by the server, by what its heads are asked for', async () => {
    const user = open(<LabellersPage />);
    const table = await screen.findByRole('table', { name: 'Labellers' });
    expect(asked().map((query) => query.get('ordering'))).toEqual(['-n_findings']);
    await user.click(within(table).getByRole('button', { name: 'Agreement with the others' }));
    await waitFor(() => expect(asked().at(-1)?.get('ordering')).toBe('with_others'));
    await user.click(screen.getByRole('button', { name: 'Agreement with the others' }));
    await waitFor(() => expect(asked().at(-1)?.get('ordering')).toBe('-with_others'));
    expect(screen.getByRole('columnheader', { name: 'Agreement with the others' }).getAttribute('aria-sort')).toBe('descending');
  });

  it('says what stands out, and leads to the labeller and their ratings', async () => {
    open(<LabellersPage />);
    const table = await screen.findByRole('table', { name: 'Labellers' });
    within(table).getByText('Prefers the side shown first: 68 % (61–74)');
    expect(within(table).getByRole('link', { name: 'L-12' }).getAttribute('href')).toBe('/projects/p/labellers/12');
    expect(within(table).getByRole('link', { name: '120' }).getAttribute('href')).toBe('/projects/p/ratings?labeller=12');
  });

  it('is searched, from its first page', async () => {
    const user = open(<LabellersPage />, '/?page=3');
    await screen.findByRole('table', { name: 'Labellers' });
    await user.type(screen.getByRole('searchbox', { name: 'Find a labeller' }), 'L-1');
    await waitFor(() => expect(asked().at(-1)?.get('search')).toBe('L-1'));
    expect(asked().at(-1)?.get('page')).toBe('1');
  });

  it('takes an ordering that it knows only', () => {
    expect(orderingOf('-gold')).toBe('-gold');
    expect(orderingOf('password')).toBe('-n_findings');
    expect(orderingOf(null)).toBe('-n_findings');
  });
});

describe('a pair of labellers', () => {
  it('has its κ with the interval and what it rests on, and opens what both rated', () => {
    expect(pairCell(PAIRS, 'p', 'plain', 0, 1)).toEqual({
      value: 0.62,
      about: 'L-12 and L-13: κ 0.62 (0.50 to 0.71), 80 comparisons in common',
      to: '/projects/p/ratings?labeller=12&with=13',
    });
    expect(pairCell(PAIRS, 'p', 'weighted', 0, 1).about).toBe('L-12 and L-13: κ 0.70, 80 comparisons in common');
  });

  it('has no number from too few', () => {
    expect(pairCell(PAIRS, 'p', 'plain', 0, 2)).toEqual({ value: null, about: 'L-12 and L-14: 4 comparisons in common, too few to say', to: null });
  });
});

describe('what a reviewer does about a labeller', () => {
  it('is to exclude them, with a reason', async () => {
    const user = open(<Actions labeller={labeller()} />);
    await user.click(screen.getByRole('button', { name: 'Exclude' }));
    const dialog = await screen.findByRole('dialog', { name: 'Exclude the ratings of L-12?' });
    const submit = within(dialog).getByRole<HTMLButtonElement>('button', { name: 'Exclude' });
    expect(submit.disabled).toBe(true);
    await user.type(within(dialog).getByRole('textbox', { name: /Reason/ }), ' Pressed one key ');
    await user.click(submit);
    await waitFor(() =>
      expect(sent).toEqual([{ method: 'POST', url: '/api/v1/projects/p/labellers/12/exclusion', body: { reason: 'Pressed one key' } }]),
    );
  });

  it('is to include them again once that is confirmed', async () => {
    const user = open(<Actions labeller={labeller({ excluded_at: '2026-11-20T10:00:00Z' })} />);
    await user.click(screen.getByRole('button', { name: 'Include' }));
    const dialog = await screen.findByRole('dialog');
    expect(sent).toEqual([]);
    await user.click(within(dialog).getByRole('button', { name: 'Include' }));
    await waitFor(() => expect(sent).toEqual([{ method: 'DELETE', url: '/api/v1/projects/p/labellers/12/exclusion', body: null }]));
  });

  it('is only about the ratings where they are no member', () => {
    open(<Actions labeller={labeller({ membership: null, is_active: false })} />);
    expect(screen.getAllByRole('button').map((button) => button.textContent)).toEqual(['Exclude']);
  });

  it('shows in the dialog what the server refuses', async () => {
    vi.stubGlobal('fetch', () =>
      Promise.resolve(
        new Response(JSON.stringify({ code: 'not_qualified', detail: 'There is no pass to take back.' }), {
          status: 409,
          headers: { 'Content-Type': 'application/problem+json' },
        }),
      ),
    );
    const user = open(<Actions labeller={labeller()} />);
    await user.click(screen.getByRole('button', { name: 'Qualify anew' }));
    const dialog = await screen.findByRole('dialog');
    await user.type(within(dialog).getByRole('textbox', { name: /Reason/ }), 'Changed');
    await user.click(within(dialog).getByRole('button', { name: 'Take the pass back' }));
    expect((await within(dialog).findByRole('alert')).textContent).toBe('There is no pass to take back.');
  });
});
