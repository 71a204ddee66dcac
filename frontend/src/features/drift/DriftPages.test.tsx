import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter, Route, Routes } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capability, DriftMeasure, DriftReportDetail, Project } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { DriftPage } from './DriftPage';
import { DriftReportPage } from './DriftReportPage';

let reports: DriftReportDetail[];
let sent: string[];

const measure = (changes: Partial<DriftMeasure>): DriftMeasure => ({
  name: 'classifier',
  value: 0.91,
  low: 0.87,
  high: 0.95,
  p_value: 0.00001,
  p_adjusted: 0.00005,
  expected: 0.5,
  n_training: 120,
  n_policy: 80,
  level: 'strong',
  sentence: 'A classifier can tell.',
  ...changes,
});

const report = (changes: Partial<DriftReportDetail> = {}): DriftReportDetail => ({
  id: 7,
  number: 2,
  reward_model: { id: 3, version: 4, state: 'promoted' },
  generation: null,
  verdict: 'strong',
  created_at: '2026-11-01T00:00:00Z',
  finished_at: '2026-11-01T00:10:00Z',
  job: null,
  report: {
    sentence: 'The policy writes something quite other.',
    rule: 'Five measures vote.',
    compared: { comparison_set: 5, what: 'current_policy', generation: null, n: 90, sources: [] },
    n: { training: { completions: 300, prompts: 120, used: 120 }, policy: { completions: 90, prompts: 80, used: 80 } },
    measures: [measure({}), measure({ name: 'disagreement', value: 1.4, p_adjusted: null, level: null })],
    lengths: { edges: [100], training: [0.5, 0.5], policy: [0.1, 0.9] },
    rewards: null,
    slices: [],
    most_moved: null,
    origin: null,
  },
  ...changes,
});

function open(path: string, ...capabilities: Capability[]) {
  const project = { slug: 'p', capabilities } as Partial<Project> as Project;
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter initialEntries={[path]}>
          <ProjectContext.Provider value={project}>
            <Routes>
              <Route path="/projects/p/drift" element={<DriftPage />} />
              <Route path="/projects/p/drift/:id" element={<DriftReportPage />} />
            </Routes>
          </ProjectContext.Provider>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

beforeEach(() => {
  reports = [];
  sent = [];
  vi.stubGlobal('fetch', (url: string, { method = 'GET' }: RequestInit = {}) => {
    const path = new URL(url, 'http://x').pathname;
    if (method !== 'GET') {
      sent.push(`${method} ${path}`);
      reports = [report()];
    }
    const found = method === 'GET' && path.endsWith('drift-reports') ? { next: null, previous: null, results: reports } : reports[0];
    return Promise.resolve(new Response(JSON.stringify(found), { headers: { 'Content-Type': 'application/json' } }));
  });
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('drift reports', () => {
  it('says what a report is where there is none, and makes one', async () => {
    const user = open('/projects/p/drift', 'review', 'train');
    await screen.findByText('No drift report yet');
    await user.click(screen.getByRole('button', { name: 'Compare now' }));
    await screen.findByRole('heading', { name: 'Drift report 2' });
    expect(sent).toEqual(['POST /api/v1/projects/p/drift-reports']);
  });

  it('lists them with their verdicts, and offers nothing to who may only read', async () => {
    reports = [report()];
    open('/projects/p/drift', 'review');
    const table = await screen.findByRole('table', { name: 'Drift reports' });
    expect(within(table).getByText('Strong drift')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Compare now' })).toBeNull();
  });

  it('shows each measure with its number, interval and sentence, and shares as a table', async () => {
    reports = [report()];
    open('/projects/p/drift/7', 'review');
    const measures = await screen.findByRole('table', { name: 'Measures' });
    const row = within(measures).getByText('Told apart by a classifier').closest('tr');
    if (!row) throw new Error('no row');
    for (const text of ['0.91', '0.87 to 0.95', '< 0.001', 'A classifier can tell.']) expect(within(row).getByText(text)).toBeTruthy();
    expect(within(measures).getByText('no vote')).toBeTruthy();
    const lengths = screen.getByRole('table', { name: 'Lengths in characters' });
    expect(within(lengths).getByText('above 100')).toBeTruthy();
    expect(within(lengths).getByText('90.0 %')).toBeTruthy();
  });

  it('says what to do where there was too little to compare', async () => {
    const whole = report().report;
    if (!whole) throw new Error('no report');
    reports = [report({ verdict: 'too_few', report: { ...whole, measures: [], lengths: null, sentence: 'Too few to say anything.' } })];
    open('/projects/p/drift/7', 'review');
    await waitFor(() => expect(screen.getByText('Too few to say anything.')).toBeTruthy());
    expect(screen.queryByRole('table')).toBeNull();
  });
});
