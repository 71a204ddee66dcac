import { MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, configure, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter, Route, Routes } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  Capability, ExploitReport, PolicyEvaluation, PolicyMetrics, PolicyRunChoices, PolicyRunDetail, PolicyRunOptions, PolicyRunPreview, PolicySample, Project,
} from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { NewPolicyRunPage } from './NewPolicyRunPage';
import { PolicyRunPage } from './PolicyRunPage';
import { PolicyRunsPage } from './PolicyRunsPage';

// A whole page of charts takes its time on a busy machine.
configure({ asyncUtilTimeout: 5_000 });
vi.setConfig({ testTimeout: 20_000 });

const OPTIONS: PolicyRunOptions = {
  start: 'builtin', reward_model: 3, combine_with: '', gold_model: 2, algorithm: 'rloo', reward: 'rewards', shaping: 'centred', ensemble: 'mean', beta: 0.05, kl_target: 0,
  kl_limit: 0, n_iterations: 1, n_steps: 60, prompts_per_step: 16, completions_per_prompt: 4, max_new_tokens: 64, temperature: 1, learning_rate: 1e-5,
  lora_rank: 16, evaluate_every: 20, n_probe: 32, human_kls: [5], n_human: 20, seed: 0,
  clip: 0.2, kl_horizon: 1000, uncertainty_weight: 0.5, max_prompt_tokens: 256, early_stop: true, stop_patience: 3, stop_confidence: 0.95, stop_margin: 0,
};

const run = (changes: Partial<PolicyRunDetail> = {}): PolicyRunDetail => ({
  number: 4,
  state: 'succeeded',
  options: OPTIONS,
  start_label: 'The built-in model',
  reward_model: { id: 30, version: 3, label: 'v3 (promoted)' },
  combined_model: null,
  gold_model: { id: 20, version: 2, label: 'v2 (retired)' },
  latest: { step: 40, kl: 9, d: 3, reward_gain: 2.5, gold_gain: 0.4, length: 40 },
  report: {
    fit: { kind: 'rl', alpha: 1, beta: 0.5, alpha_interval: [0.8, 1.2], beta_interval: [0.4, 0.6], peak_d: 2.7, peak_d_interval: [2.1, null], peak_gold: 1.36, r2: 0.97, n: 3 },
    fit_of: 'gold',
    decision: { stop: true, reason: 'gold_fell', message: 'Gold fell.', best_step: 20 },
    people: null,
    best_step: 20,
    last_step: 40,
  },
  stop_reason: 'gold_fell',
  stop_message: 'Gold fell: at step 40 it gains 0.4 ± 0.1 over the reference, at step 20 it was 1.2 ± 0.1.',
  checkpoint: { id: 8, name: 'Policy run 4 · step 20' },
  progress: { done: 40, total: 60, unit: 'updates', message: '', fraction: 0.67 },
  job: null,
  created_at: '2026-11-01T00:00:00Z',
  created_by: 'Ann',
  finished_at: '2026-11-01T00:10:00Z',
  can: { cancel: false, retry: false, ask_people: true, adversarial: true, keep: true },
  spare: { n: 2, n_bytes: 3 * 1024 ** 3 },
  ...changes,
});

const METRICS: PolicyMetrics = {
  n_prompts: 32, kl: 0, kl_se: 0, kl_k1: 0, kl_k3: 0, kl_per_token: 0, d: 0, beta: 0.05, entropy: 2, reward: 0.1, reward_gain: 0, reward_gain_se: 0,
  calibrated_gain: 0, uncertainty: 0.2, reference_uncertainty: 0.2, beyond_range: 0, reference_beyond_range: 0, gold: 0, gold_gain: 0, gold_gain_se: 0,
  length: 30, reference_length: 30, cut_off: 0.1, repetition: 0.05, reference_repetition: 0.05, distinct_1: 0.6, reference_distinct_1: 0.6,
  distinct_2: 0.9, reference_distinct_2: 0.9, exploits: null,
};

const EXPLOITS: ExploitReport = {
  n: 32, gain: 2.5, gain_interval: [2, 3], calibrated_gain: 0.9, calibrated_gain_interval: [0.5, 1.3],
  total: { contribution: 2, interval: [1.5, 2.5], share: 0.8, share_interval: [0.6, 0.95] },
  calibrated_total: { contribution: 0.2, interval: [-0.1, 0.5], share: 0.22, share_interval: [-0.1, 0.5] },
  features: [
    {
      name: 'length', policy: Math.log1p(60), reference: Math.log1p(30), policy_share: 1, reference_share: 1, is_flagged: true, words: 'Longer completions explain 64 % of the gain.',
      reward: { contribution: 1.6, interval: [1.2, 2], share: 0.64, share_interval: [0.5, 0.77] },
      calibrated: { contribution: 0.05, interval: [-0.2, 0.3], share: 0.06, share_interval: [-0.2, 0.3] },
    },
    { name: 'flattery', policy: 0.4, reference: 0.1, policy_share: 0.31, reference_share: 0.09, reward: null, calibrated: null, is_flagged: false, words: '' },
  ],
  flags: ['Longer completions explain 64 % of the gain.'],
};

const EVALUATIONS: PolicyEvaluation[] = [
  { step: 0, human_kl: null, n_comparisons: 0, n_samples: 32, has_model: true, win_rate: null, metrics: METRICS },
  {
    step: 20, human_kl: 5, n_comparisons: 20, n_samples: 32, has_model: true,
    win_rate: { n_asked: 20, n: 10, wins: 6, losses: 3, ties: 1, rate: 0.65, low: 0.36, high: 0.86, claimed: 0.79 },
    metrics: { ...METRICS, kl: 4.2, kl_se: 0.5, d: 2.05, reward_gain: 1.4, reward_gain_se: 0.1, gold_gain: 1.2, gold_gain_se: 0.05 },
  },
  {
    step: 40, human_kl: null, n_comparisons: 0, n_samples: 32, has_model: false, win_rate: null,
    metrics: { ...METRICS, kl: 9, kl_se: 1, d: 3, reward_gain: 2.5, reward_gain_se: 0.1, gold_gain: 0.4, gold_gain_se: 0.05, beyond_range: 0.25, length: 61, exploits: EXPLOITS },
  },
];

const sample = (changes: Partial<PolicySample> = {}): PolicySample => ({
  id: 1, prompt_id: 77, messages: [{ role: 'user', content: 'What does a fox eat?' }], completion: 'What a great question! Mice.', reference: 'Mice and berries.',
  reward: 2.5, reference_reward: 0.5, calibrated: null, reference_calibrated: null, uncertainty: 0.1, reference_uncertainty: 0.1, gold: -0.5, reference_gold: 0.25,
  kl: 8, n_tokens: 9, reference_n_tokens: 5, is_kept: false, comparison_id: 5, outcome: 'loss', ...changes,
});

const CHOICES: PolicyRunChoices = {
  defaults: { ...OPTIONS, gold_model: null },
  starts: [{ value: 'builtin', label: 'The built-in model' }],
  reward_models: [{ version: 3, label: 'v3 (promoted)', is_served: true, n_members: 1 }, { version: 2, label: 'v2 (retired)', is_served: false, n_members: 1 }],
  combinable: [],
  n_prompts: 200,
  n_probe: 40,
  problem: '',
};
const PREVIEW: PolicyRunPreview = {
  n_prompts: 200, passes: 4.8, n_completions: 3840, n_updates: 60, n_probe: 32, n_evaluations: 5, n_probe_completions: 160, max_new_tokens: 256_000, n_comparisons: 20, n_ratings: 40,
  seconds: 90,
};

let answers: Record<string, unknown>;
let refusal: { code: string; detail: string; errors: { field: string; message: string }[] } | null;
let sent: { path: string; body: unknown }[];

beforeEach(() => {
  refusal = null;
  sent = [];
  answers = {
    'policy-runs': { next: null, previous: null, results: [run()] },
    'policy-runs/4': run(),
    'policy-runs/4/steps': { columns: ['step', 'reward', 'raw_reward', 'reward_std', 'kl', 'beta', 'entropy', 'length'], rows: [[1, 0, 0.2, 0.4, 0.01, 0.05, 2, 30], [40, 1, 2.7, 0.5, 9.5, 0.05, 1.1, 60]] },
    'policy-runs/4/evaluations': { results: EVALUATIONS },
    'policy-runs/4/evaluations/20/samples': { count: 1, next: null, previous: null, results: [sample()] },
    'policy-runs/4/evaluations/40/samples': { count: 1, next: null, previous: null, results: [sample({ id: 2, completion: 'Great. Great. Great.' })] },
    'policy-runs/4/adversarial': { n: 7, n_by_people: 2, n_by_gold: 5, n_kept: 1 },
    'policy-runs/options': CHOICES,
    'policy-runs/preview': PREVIEW,
  };
  vi.stubGlobal('fetch', (address: string, { method, body }: RequestInit) => {
    const { pathname, search } = new URL(address, 'http://x');
    const path = pathname.replace('/api/v1/projects/p/', '');
    if (method === 'DELETE' || (method === 'POST' && !path.endsWith('/preview'))) {
      sent.push({ path, body: method === 'DELETE' ? null : JSON.parse(String(body)) });
      if (refusal) return Promise.resolve(new Response(JSON.stringify(refusal), { status: 400, headers: { 'Content-Type': 'application/problem+json' } }));
      const made = path.endsWith('/adversarial') ? { n: 7, n_by_people: 2, n_by_gold: 5, n_kept: 7, n_new: 6, refresh: { id: 12, number: 2 } } : run({ number: 5 });
      return Promise.resolve(new Response(JSON.stringify(made), { status: 201, headers: { 'Content-Type': 'application/json' } }));
    }
    if (search) sent.push({ path: path + search, body: null });
    return Promise.resolve(new Response(JSON.stringify(answers[path]), { headers: { 'Content-Type': 'application/json' } }));
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
        <ModalsProvider>
          <MemoryRouter initialEntries={[`/projects/p/${path}`]}>
            <ProjectContext.Provider value={project}>
              <Routes>
                <Route path="/projects/p/policy-runs" element={<PolicyRunsPage />} />
                <Route path="/projects/p/policy-runs/new" element={<NewPolicyRunPage />} />
                <Route path="/projects/p/policy-runs/5" element={<p>The new run</p>} />
                <Route path="/projects/p/policy-runs/:number" element={<PolicyRunPage />} />
                <Route path="/projects/p/refreshes/:id" element={<p>The refresh</p>} />
              </Routes>
            </ProjectContext.Provider>
          </MemoryRouter>
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

const texts = (table: HTMLElement) => [...(table as HTMLTableElement).rows].map((row) => [...row.cells].map((one) => one.textContent));

describe('the list', () => {
  it('says how each run ended and what it gained', async () => {
    open('policy-runs', 'review');
    const row = (await screen.findAllByRole('row'))[1];
    expect(row?.textContent).toContain('Stopped: the gold model’s gain fell below its best');
    expect(row?.textContent).toContain('2.50, 0.40');
    expect(row?.textContent).toContain('kept: Policy run 4 · step 20');
    expect(screen.getByRole('link', { name: '4' }).getAttribute('href')).toBe('/projects/p/policy-runs/4');
    expect(screen.queryByRole('link', { name: 'New policy run' })).toBeNull();
  });

  it('says what a run is for where there is none', async () => {
    answers['policy-runs'] = { next: null, previous: null, results: [] };
    open('policy-runs', 'review', 'train');
    expect(await screen.findByText('No policy run yet')).toBeTruthy();
    expect(screen.getAllByRole('link', { name: 'New policy run' })[0]?.getAttribute('href')).toBe('/projects/p/policy-runs/new');
  });
});

describe('the form', () => {
  it('says what the run takes and starts it with what was filled in', async () => {
    const user = open('policy-runs/new', 'review', 'train');
    expect(await screen.findByText('3,840 completions in training, at most 5 evaluations')).toBeTruthy();
    expect(screen.getByText(/^200 prompts to train on, each drawn 4\.8 times; 32 others to evaluate on\..* 20 comparisons at most, 40 ratings\. .*1 min 30 s/)).toBeTruthy();
    const beta = screen.getByLabelText('Weight of KL (beta)');
    await user.clear(beta);
    await user.type(beta, '0.02');
    await user.click(screen.getByRole('button', { name: 'Start the run' }));
    expect(await screen.findByText('The new run')).toBeTruthy();
    expect(sent.at(-1)).toMatchObject({ path: 'policy-runs', body: { ...CHOICES.defaults, beta: 0.02 } });
  });

  it('unfolds what the server does not like', async () => {
    refusal = { code: 'invalid', detail: 'Invalid.', errors: [{ field: 'temperature', message: 'Expected a number above 0.' }] };
    const user = open('policy-runs/new', 'review', 'train');
    const advanced = await screen.findByRole('button', { name: 'Advanced' });
    expect(advanced.getAttribute('aria-expanded')).toBe('false');
    await user.click(screen.getByRole('button', { name: 'Start the run' }));
    await waitFor(() => expect(advanced.getAttribute('aria-expanded')).toBe('true'));
    expect(screen.getByText('Expected a number above 0.')).toBeTruthy();
  });

  it('asks for what belongs to a choice once it is made', async () => {
    answers['policy-runs/options'] = { ...CHOICES, reward_models: [{ version: 3, label: 'v3 (promoted)', is_served: true, n_members: 4 }] };
    const user = open('policy-runs/new', 'review', 'train');
    await user.click(await screen.findByRole('button', { name: 'Advanced' }));
    const hidden = ['Clip the ratio at 1 ±', 'Beta follows over, completions', 'Weight of their variance'];
    expect(hidden.map((label) => screen.queryByLabelText(label))).toEqual([null, null, null]);
    for (const [label, value] of [['Updates of each batch', '2'], ['Steer KL to, nats', '6']] as const) {
      await user.clear(screen.getByLabelText(label));
      await user.type(screen.getByLabelText(label), value);
    }
    await user.click(screen.getByRole('combobox', { name: 'Members of an ensemble' }));
    await user.click(await screen.findByRole('option', { name: 'their mean less their disagreement' }));
    for (const label of hidden) {
      await user.clear(screen.getByLabelText(label));
      await user.type(screen.getByLabelText(label), '0.75');
    }
    await user.click(screen.getByRole('switch', { name: /^End when gold or people say so/ }));
    await user.click(screen.getByRole('button', { name: 'Start the run' }));
    expect(await screen.findByText('The new run')).toBeTruthy();
    expect(sent.at(-1)?.body).toMatchObject({ n_iterations: 2, clip: 0.75, kl_target: 6, ensemble: 'uncertainty', uncertainty_weight: 0.75, early_stop: false });
  });

  it('says why nothing can start', async () => {
    answers['policy-runs/options'] = { ...CHOICES, reward_models: [], problem: 'No reward model is in use.' };
    open('policy-runs/new', 'review', 'train');
    expect(await screen.findByText('No reward model is in use.')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Start the run' })).toBeNull();
  });

  it('is not for those who may not train', () => {
    open('policy-runs/new', 'review');
    expect(screen.getByText('Researchers start policy runs')).toBeTruthy();
  });
});

describe('a run', () => {
  it('says why it stopped and what is kept', async () => {
    open('policy-runs/4', 'review');
    expect(await screen.findByText('Stopped: the gold model’s gain fell below its best')).toBeTruthy();
    expect(screen.getByText(/^Gold fell: at step 40/)).toBeTruthy();
    expect(await screen.findByText('Kept: the policy after 20 updates, at a KL of 4.2 nats.')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Ask people' })).toBeNull();
    expect(screen.queryByRole('button', { name: 'Use what fooled it' })).toBeNull();
  });

  it('names the other model whose reward counts too', async () => {
    answers['policy-runs/4'] = run({ combined_model: { id: 9, version: 3, label: 'v3', project: 'Safety' } });
    open('policy-runs/4', 'review');
    const title = await screen.findByRole('heading', { name: 'Policy run 4' });
    expect(title.parentElement?.textContent).toContain(' combined with Safety, v3, ');
  });

  it('says that nothing is kept where the start was the best', async () => {
    answers['policy-runs/4'] = run({ checkpoint: null, report: { ...run().report, best_step: 0 } });
    open('policy-runs/4', 'review');
    expect(await screen.findByText('Nothing is kept of it: the model it started from was the best.')).toBeTruthy();
    expect(screen.queryByText(/^Kept:/)).toBeNull();
  });

  it('has gains with their intervals, and where the peak is predicted', async () => {
    open('policy-runs/4', 'review');
    const table = await screen.findByRole('table', { name: 'Gain over the reference by distance' });
    const [head, , , last] = texts(table);
    expect(head).toEqual(['Updates', 'd = √KL', 'Gain by the reward model', 'Without length', 'Gain by gold']);
    expect(last).toEqual(['40', '3.00', '2.50 (2.30 to 2.70)', '0.00', '0.40 (0.30 to 0.50)']);
    expect(screen.getByText(/It predicts the peak at d = 2\.7 \(2\.1 to no end, in grey\), a gain of 1\.36\./)).toBeTruthy();
  });

  it('has people beside what the reward model claims', async () => {
    open('policy-runs/4', 'review');
    const chart = await screen.findByRole('table', { name: 'Preferred to the reference' });
    const share = ['65.0\u00a0% (36.0\u00a0% to 86.0\u00a0%), n = 10', '79.0\u00a0%'];
    expect(texts(chart)[1]).toEqual(['20', '2.05', ...share]);
    expect(texts(screen.getByRole('table', { name: 'What people say' }))[1]).toEqual(['20', '4.20for 5', '20', '6, 3, 1', ...share]);
  });

  it('has the health of the policy, the latest first and what is kept marked', async () => {
    open('policy-runs/4', 'review');
    const rows = texts(await screen.findByRole('table', { name: 'Health of the policy' }));
    expect(rows[1]?.slice(0, 4)).toEqual(['40', '9.00± 1.96', '0.200.20', '25.0\u00a0%0.0\u00a0%']);
    expect(rows[2]?.[0]).toBe('kept20');
  });

  it('says what the reward is paid for, before and after calibration', async () => {
    open('policy-runs/4', 'review');
    const rows = texts(await screen.findByRole('table', { name: 'What the reward is paid for' }));
    expect(rows[1]).toEqual(['Lengthflagged', '60 words', '30 words', '64\u00a0%50\u00a0% to 77\u00a0%', '6\u00a0%-20\u00a0% to 30\u00a0%']);
    expect(rows[2]).toEqual(['Flattery', '31\u00a0%', '9\u00a0%', '–', '–']);
    expect(rows.at(-1)).toEqual(['Gain in reward', '2.50 in reward2.00 to 3.00', '0.90 in reward0.50 to 1.30']);
    expect(screen.getByText('Longer completions explain 64 % of the gain.')).toBeTruthy();
  });

  it('reads what the kept policy wrote beside the reference, in the order that is chosen', async () => {
    const user = open('policy-runs/4', 'review');
    const article = await screen.findByRole('article');
    expect(within(article).getByText('What a great question! Mice.')).toBeTruthy();
    expect(within(article).getByText('Mice and berries.')).toBeTruthy();
    expect(within(article).getByText('Gain in reward +2.00 · in gold −0.75 · KL 8.0 nats · people prefer the reference')).toBeTruthy();
    await user.click(screen.getByRole('combobox', { name: 'Order' }));
    await user.click(await screen.findByRole('option', { name: 'reward up, gold down first' }));
    await waitFor(() => expect(sent.some(({ path }) => path.startsWith('policy-runs/4/evaluations/20/samples?order=fooled'))).toBe(true));
    await user.click(within(screen.getByRole('region', { name: 'What it writes' })).getByRole('combobox', { name: 'Evaluation' }));
    await user.click(await screen.findByRole('option', { name: 'after 40 updates, KL 9.0' }));
    expect(await screen.findByText('Great. Great. Great.')).toBeTruthy();
  });

  it('has each chart of training as a table too', async () => {
    open('policy-runs/4', 'review');
    const [head, ...rows] = texts(await screen.findByRole('table', { name: 'KL to the reference' }));
    expect(head).toEqual(['update', 'estimate (nats)', 'exact (nats)']);
    expect(rows).toEqual([['0', '–', '0.00'], ['1', '0.01', '–'], ['20', '–', '4.20'], ['40', '9.50', '9.00']]);
    expect(texts(screen.getByRole('table', { name: 'Reward in training' }))[0]).toEqual(['update', 'reward model (reward)', 'as the trainer got it (reward)']);
  });

  it('asks people about an evaluation', async () => {
    const user = open('policy-runs/4', 'review', 'train');
    await user.click(await screen.findByRole('button', { name: 'Ask people' }));
    const dialog = await screen.findByRole('dialog');
    const n = within(dialog).getByLabelText(/^Comparisons/);
    expect((n as HTMLInputElement).value).toBe('20');
    await user.clear(n);
    await user.type(n, '12');
    await user.click(within(dialog).getByRole('button', { name: 'Ask people' }));
    await waitFor(() => expect(sent.find(({ path }) => path.endsWith('/comparisons'))).toEqual({ path: 'policy-runs/4/evaluations/40/comparisons', body: { n: 12 } }));
  });

  it('uses what fooled it, and goes to the refresh that it starts', async () => {
    const user = open('policy-runs/4', 'review', 'train');
    expect(await screen.findByText('7 completions, 5 by gold, 2 by people, 1 of them are in the pool')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Use what fooled it' }));
    const dialog = await screen.findByRole('dialog');
    expect(within(dialog).getByText(/^6 completions of the policy/)).toBeTruthy();
    await user.click(within(dialog).getByRole('switch', { name: /^and start a refresh/ }));
    await user.click(within(dialog).getByRole('button', { name: 'Use them and refresh' }));
    expect(await screen.findByText('The refresh')).toBeTruthy();
    expect(sent.find(({ path }) => path.endsWith('/adversarial'))).toEqual({ path: 'policy-runs/4/adversarial', body: { start_refresh: true } });
  });

  it('removes what it does not keep when asked twice', async () => {
    const user = open('policy-runs/4', 'review', 'train');
    expect(await screen.findByText('2 policies that can be kept instead take 3.0 GiB of disk.')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Remove them' }));
    const dialog = await screen.findByRole('dialog');
    expect(within(dialog).getByText(/^2 policies of this run are removed for good/)).toBeTruthy();
    const isSent = () => sent.some(({ path }) => path === 'policy-runs/4/models');
    expect(isSent()).toBe(false);
    await user.click(within(dialog).getByRole('button', { name: 'Remove them' }));
    await waitFor(() => expect(isSent()).toBe(true));
  });

  it('says nothing of models where there are none but the kept one, or to those who may not remove them', async () => {
    open('policy-runs/4', 'review');
    await screen.findByRole('table', { name: 'Health of the policy' });
    expect(screen.queryByRole('button', { name: 'Remove them' })).toBeNull();
    cleanup();
    answers['policy-runs/4'] = run({ spare: { n: 0, n_bytes: 0 } });
    open('policy-runs/4', 'review', 'train');
    await screen.findByRole('table', { name: 'Health of the policy' });
    expect(screen.queryByRole('button', { name: 'Remove them' })).toBeNull();
  });

  it('says what people like best by now, and keeps that instead when asked twice', async () => {
    answers['policy-runs/4'] = run({ report: { ...run().report, best_step: 40, people: { stop: false, reason: '', message: '', best_step: 20 } } });
    const user = open('policy-runs/4', 'review', 'train');
    const said = await screen.findByRole('region', { name: 'What people say' });
    expect(within(said).getByText('By all ratings so far the best is the policy after 20 updates. Kept is the policy after 40 updates.')).toBeTruthy();
    const rows = texts(screen.getByRole('table', { name: 'Health of the policy' }));
    expect(rows.map((row) => row.at(-1))).toEqual(['To keep', '', 'Keep', 'Keep']);
    await user.click(within(said).getByRole('button', { name: 'Keep this one instead' }));
    expect(sent.some(({ path }) => path.endsWith('/keep'))).toBe(false);
    await user.click(await screen.findByRole('button', { name: 'Keep this one' }));
    await waitFor(() => expect(sent.find(({ path }) => path.endsWith('/keep'))?.path).toBe('policy-runs/4/evaluations/20/keep'));
  });

  it('says what can be kept to those who may not, and where people agree', async () => {
    answers['policy-runs/4'] = run({ report: { ...run().report, people: { stop: false, reason: '', message: '', best_step: 20 } } });
    open('policy-runs/4', 'review');
    expect(await screen.findByText('By all ratings so far the best is what is kept: the policy after 20 updates.')).toBeTruthy();
    const rows = texts(screen.getByRole('table', { name: 'Health of the policy' }));
    expect(rows.map((row) => row.at(-1))).toEqual(['To keep', 'model gone', '', 'can be kept']);
    expect(screen.queryByRole('button', { name: 'Keep this one instead' })).toBeNull();
  });

  it('offers nothing to keep while it goes', async () => {
    answers['policy-runs/4'] = run({ state: 'running', finished_at: null, stop_reason: '', checkpoint: null, can: { ...run().can, keep: false }, report: { ...run().report, best_step: null } });
    open('policy-runs/4', 'review', 'train');
    expect(texts(await screen.findByRole('table', { name: 'Health of the policy' }))[0]?.at(-1)).toBe('Cut off');
    expect(screen.queryByRole('button', { name: 'Keep this one instead' })).toBeNull();
  });

  it('says what comes first while nothing is evaluated', async () => {
    answers['policy-runs/4'] = run({ state: 'running', finished_at: null, stop_reason: '', stop_message: '', checkpoint: null });
    answers['policy-runs/4/evaluations'] = { results: [] };
    answers['policy-runs/4/steps'] = { columns: [], rows: [] };
    open('policy-runs/4', 'review');
    expect(await screen.findByText('Not evaluated yet')).toBeTruthy();
    expect(screen.getByText('The charts of training begin with its first update.')).toBeTruthy();
  });
});
