import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, configure, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter, Route, Routes } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capability, Project, SftChoices, SftOptions, SftPreview, SftRun } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { NewSftRunPage } from './NewSftRunPage';
import { SftRunPage } from './SftRunPage';
import { SftRunsPage } from './SftRunsPage';

configure({ asyncUtilTimeout: 5_000 });
vi.setConfig({ testTimeout: 20_000 });

const OPTIONS: SftOptions = {
  base_model: 'builtin', comparison_set: 3, epochs: 2, learning_rate: 0.001, max_length: 512, rows_per_step: 4, lora_rank: 0, seed: 0,
};
const COUNTS = { n_examples: 420, n_heldout: 51, n_tokens: 90_000, left_out: { tie: 12, repeated: 1 }, n_unread: 0 };
const CHOICES: SftChoices = {
  defaults: OPTIONS,
  base_models: [{ value: 'builtin', label: 'The built-in model' }, { value: 'checkpoint:7', label: 'base-1 (Base model)' }],
  comparison_sets: [{ value: 3, label: 'Comparison set 3' }],
};
const PREVIEW: SftPreview = { ...COUNTS, n_long: 5, n_updates: 88, warnings: [] };

const run = (changes: Partial<SftRun> = {}): SftRun => ({
  number: 4,
  state: 'succeeded',
  options: OPTIONS,
  base_name: 'base-1',
  counts: COUNTS,
  report: {
    n_examples: 420, n_truncated: 5, n_steps: 88, n_tokens: 180_000, first_loss: 4, last_loss: 2.5, n_heldout: 51, heldout_before: 4.125, heldout_after: 3.25,
    precision: 'fp32', seconds: 40,
  },
  checkpoint: { id: 9, name: 'sft-p-4' },
  job: null,
  created_at: '2026-11-01T00:00:00Z',
  created_by: 'Ann',
  finished_at: '2026-11-01T00:10:00Z',
  ...changes,
});

let answers: Record<string, unknown>;
let sent: { path: string; body: unknown }[];

beforeEach(() => {
  sent = [];
  answers = {
    'sft-runs': { next: null, previous: null, results: [run()] },
    'sft-runs/4': run(),
    'sft-runs/options': CHOICES,
    'sft-runs/preview': PREVIEW,
  };
  vi.stubGlobal('fetch', (address: string, { method, body }: RequestInit) => {
    const path = new URL(address, 'http://x').pathname.replace('/api/v1/projects/p/', '');
    if (method === 'POST') sent.push({ path, body: JSON.parse(String(body)) });
    const isMade = method === 'POST' && path === 'sft-runs';
    return Promise.resolve(
      new Response(JSON.stringify(isMade ? run({ number: 5 }) : answers[path]), { status: isMade ? 201 : 200, headers: { 'Content-Type': 'application/json' } }),
    );
  });
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  Element.prototype.scrollIntoView = () => {};
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function open(path: string, ...capabilities: Capability[]) {
  const project = { slug: 'p', capabilities } as Partial<Project> as Project;
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter initialEntries={[`/projects/p/${path}`]}>
          <ProjectContext.Provider value={project}>
            <Routes>
              <Route path="/projects/p/sft-runs" element={<SftRunsPage />} />
              <Route path="/projects/p/sft-runs/new" element={<NewSftRunPage />} />
              <Route path="/projects/p/sft-runs/5" element={<p>The new run</p>} />
              <Route path="/projects/p/sft-runs/:number" element={<SftRunPage />} />
            </Routes>
          </ProjectContext.Provider>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

describe('the list', () => {
  it('says what each run learnt from, and whether the held-out loss fell', async () => {
    open('sft-runs', 'review');
    const row = (await screen.findAllByRole('row'))[1];
    expect(row?.textContent).toContain('chosen completions of comparison set 3');
    expect(row?.textContent).toContain('4.13 → 3.25');
    expect(row?.textContent).toContain('kept: sft-p-4');
    expect(screen.queryByRole('link', { name: 'New SFT run' })).toBeNull();
  });
});

describe('the form', () => {
  it('says how much there is to learn from and starts with what was filled in', async () => {
    const user = open('sft-runs/new', 'review', 'train');
    expect(await screen.findByText('420 examples to learn from, about 90,000 tokens; 51 held out')).toBeTruthy();
    expect(screen.getByText('About 88 updates. About 5 are longer than a row and will be cut. Left out: 12 ties, 1 chosen before.')).toBeTruthy();
    await user.click(screen.getByRole('combobox', { name: 'Base model' }));
    await user.click(await screen.findByRole('option', { name: 'a path or a hub id …' }));
    await user.click(screen.getByRole('button', { name: 'Start the run' }));
    expect(await screen.findByText('Enter where the model is.')).toBeTruthy();
    await user.type(screen.getByLabelText('Path or hub id'), '/models/base-2');
    await user.click(screen.getByRole('combobox', { name: 'Learns from' }));
    await user.click(await screen.findByRole('option', { name: 'what people wrote in this pool' }));
    await user.click(screen.getByRole('button', { name: 'Start the run' }));
    expect(await screen.findByText('The new run')).toBeTruthy();
    const started = sent.find(({ path }) => path === 'sft-runs');
    expect(started?.body).toEqual({ ...OPTIONS, base_model: '/models/base-2', comparison_set: null });
  });

  it('cannot start where there is nothing to learn from', async () => {
    const warnings = [{ code: 'no_examples', message: 'There is nothing to learn from.' }];
    answers['sft-runs/preview'] = { ...PREVIEW, n_examples: 0, n_long: 0, left_out: {}, warnings };
    open('sft-runs/new', 'review', 'train');
    expect(await screen.findByText(/There is nothing to learn from\./)).toBeTruthy();
    await waitFor(() => expect(screen.getByRole('button', { name: 'Start the run' })).toHaveProperty('disabled', true));
  });

  it('is not for those who may not train', () => {
    open('sft-runs/new', 'review');
    expect(screen.getByText('Researchers start SFT runs')).toBeTruthy();
  });
});

describe('a run', () => {
  it('says whether the model learnt and under which name it is used', async () => {
    open('sft-runs/4', 'review', 'train');
    expect(await screen.findByText('It learnt: held-out completions are more probable than before.')).toBeTruthy();
    expect(screen.getByText('4.125 → 3.250')).toBeTruthy();
    expect(screen.getByText('Kept as sft-p-4')).toBeTruthy();
    expect(screen.getByText('As the base model of a reward model or a refresh: checkpoint:9')).toBeTruthy();
    expect(screen.getByRole('link', { name: 'Optimise a policy from it' })).toBeTruthy();
  });

  it('says that few held-out examples prove little', async () => {
    const { report } = run();
    answers['sft-runs/4'] = run({ report: report && { ...report, n_heldout: 6 } });
    open('sft-runs/4', 'review');
    expect(await screen.findByText(/^It learnt: .* measured on few examples/)).toBeTruthy();
  });

  it('warns where the held-out loss rose, and where none was measured', async () => {
    const { report } = run();
    answers['sft-runs/4'] = run({ report: report && { ...report, heldout_after: 4.5 } });
    open('sft-runs/4', 'review');
    expect(await screen.findByText(/^Held-out completions are no more probable than before/)).toBeTruthy();
    expect(screen.queryByText(/measured on few examples/)).toBeNull();
    expect(screen.queryByRole('link', { name: 'Optimise a policy from it' })).toBeNull();
    cleanup();
    answers['sft-runs/4'] = run({ report: report && { ...report, heldout_before: undefined, heldout_after: undefined } });
    open('sft-runs/4', 'review');
    expect(await screen.findByText('No example was held out, so it cannot be seen whether it learnt.')).toBeTruthy();
  });
});
