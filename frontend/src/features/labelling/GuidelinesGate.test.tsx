import { MantineProvider } from '@mantine/core';
import { Notifications, notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GuidelineVersion, Me, Project, Qualification, QuizAnswer, QuizResult } from '@/lib/api/types';
import { meKey, ProjectContext } from '@/lib/session';
import { GuidelinesGate } from './GuidelinesGate';
import { NewVersionNotice } from './NewVersionNotice';

const PROJECT = {
  slug: 'helpfulness',
  intensity_labels: ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'],
  ties_allowed: false,
  quiz_pass_share: 0.5,
} as Project;

const GUIDELINES: GuidelineVersion = {
  number: 2,
  body: 'Prefer the completion that **does** what was asked.',
  change_note: 'Length no longer counts.',
  changes_meaning: true,
  author: 'Ada',
  published_at: '2026-09-01T00:00:00Z',
  examples: [],
};

const QUESTIONS = [1, 2].map((id) => ({
  id, prompt: `Question ${id}`, completion_a: `first of ${id}`, completion_b: `second of ${id}`,
}));

/** The server's side of the quiz: the first completion is always the better one. */
class FakeServer {
  guidelines = GUIDELINES;
  attempts: { version: number; attempt: number; answers: QuizAnswer[] }[] = [];
  qualification: Qualification = {
    standing: 'must_pass', version: 2, passed_version: null, attempt: 1, n_attempts_left: 3, pass_share: 0.5, n_needed: 1, quiz: QUESTIONS,
  };
  /** Answers the next attempt with this instead. */
  refusal: { status: number; body: object } | null = null;

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = String(input).replace('/api/v1/projects/helpfulness/', '');
    if (path.startsWith('guidelines/')) return json(200, this.guidelines);
    if (path !== 'qualification') return json(404, { code: 'not_found', detail: `No ${path}` });
    if (init.method !== 'POST') return json(200, this.qualification);
    const { refusal } = this;
    this.refusal = null;
    return refusal ? json(refusal.status, refusal.body) : json(200, this.grade(String(init.body)));
  };

  private grade(body: string): QuizResult {
    const sent = JSON.parse(body) as (typeof this.attempts)[number];
    this.attempts.push(sent);
    const n_right = sent.answers.filter((answer) => answer.preferred === 'first').length;
    const passed = n_right >= this.qualification.n_needed || sent.answers.length === 0;
    const n_attempts_left = this.qualification.n_attempts_left - (passed ? 0 : 1);
    this.qualification = {
      ...this.qualification,
      standing: passed ? 'ok' : n_attempts_left ? 'must_pass' : 'failed',
      attempt: sent.attempt + 1,
      n_attempts_left,
      quiz: passed || !n_attempts_left ? [] : QUESTIONS.toReversed(),
    };
    const answers = sent.answers.map(({ example, preferred }) => ({
      example, is_right: preferred === 'first', preferred: 'first' as const, intensity: 4, rationale: `Reason ${example}`,
    }));
    return { passed, n_right, n_questions: answers.length, n_attempts_left, answers };
  }
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

let server: FakeServer;
const onPassed = vi.fn();

function show(element: React.ReactElement, project: Partial<Project> = {}) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const me: Partial<Me> = { id: 7, name: 'Lee' };
  queries.setQueryData(meKey, me);
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <Notifications />
        <MemoryRouter>
          <ProjectContext value={{ ...PROJECT, ...project }}>{element}</ProjectContext>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
}

const open = (project?: Partial<Project>) => {
  const standing = server.qualification.standing === 'ok' ? 'must_pass' : server.qualification.standing;
  show(<GuidelinesGate standing={standing} onPassed={onPassed} />, project);
};
const click = async (name: string) => userEvent.click(await screen.findByRole('button', { name }));
const heading = (name: string | RegExp) => screen.findByRole('heading', { name });

beforeEach(() => {
  server = new FakeServer();
  onPassed.mockClear();
  localStorage.clear();
  sessionStorage.clear();
  vi.stubGlobal('fetch', vi.fn(server.fetch));
  vi.stubGlobal('scrollTo', vi.fn());
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  // What Mantine asks of a browser and jsdom does not have.
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {},
  }));
});

afterEach(() => {
  cleanup();
  notifications.clean();
  vi.unstubAllGlobals();
});

describe('the gate before the work', () => {
  it('is read, answered by keyboard, looked over, handed in and passed', async () => {
    open();
    await heading('Before you start: the guidelines');
    expect(screen.getByText(/A quiz of 2 questions follows. Right answers needed: 1/)).toBeTruthy();
    await click('Go to the quiz');

    const title = await heading('Quiz: question 1 of 2');
    expect(document.activeElement).toBe(title);
    expect(within(screen.getByRole('region', { name: 'Completion A' })).getByText('first of 1')).toBeTruthy();
    await userEvent.keyboard('1');
    await heading('Quiz: question 2 of 2');
    await userEvent.keyboard('8');

    await heading('All answered');
    expect(screen.getAllByRole('listitem').map((item) => item.textContent)).toEqual([
      '1. Question 1A significantly betterChange', '2. Question 2B significantly betterChange',
    ]);
    expect(server.attempts).toEqual([]);
    await click('Hand in');

    await heading('Passed: 1 of 2 right');
    expect(server.attempts).toEqual([
      {
        version: 2,
        attempt: 1,
        answers: [{ example: 1, preferred: 'first', intensity: 4 }, { example: 2, preferred: 'second', intensity: 4 }],
      },
    ]);
    expect(screen.getByText('Question 2: wrong')).toBeTruthy();
    expect(screen.getByText('Reason 2')).toBeTruthy();
    expect(onPassed).not.toHaveBeenCalled();
    await click('Start rating');
    expect(onPassed).toHaveBeenCalledOnce();
  });

  it('says why an attempt failed, and asks anew as often as there are attempts', async () => {
    server.qualification.n_attempts_left = 2;
    open();
    await click('Go to the quiz');
    await heading('Quiz: question 1 of 2');
    await userEvent.keyboard('88');
    await click('Hand in');
    await heading('Not passed: 0 of 2 right');
    await click('Try again (1 left)');

    // The next attempt asks in another order, and starts without answers.
    await heading('Quiz: question 1 of 2');
    expect(screen.getByText('Question 2')).toBeTruthy();
    expect(screen.queryByRole('button', { pressed: true })).toBeNull();
    await userEvent.keyboard('88');
    await click('Hand in');
    await heading('Not passed: 0 of 2 right');
    expect(server.attempts.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(screen.getByRole('status').textContent).toContain('No attempts are left');
    await click('Check again');
    await heading('The quiz was not passed');
    expect(onPassed).not.toHaveBeenCalled();

    // A reviewer has allowed another attempt.
    server.qualification = { ...server.qualification, standing: 'must_pass', n_attempts_left: 3, attempt: 3, quiz: QUESTIONS };
    await click('Check again');
    await heading('Quiz: question 1 of 2');
  });

  it('keeps the answers over a reload and a look at the guidelines, and lets them be changed', async () => {
    open();
    await click('Go to the quiz');
    await userEvent.keyboard('1');
    cleanup();
    open();
    await click('Go to the quiz');
    await heading('Quiz: question 2 of 2');
    await userEvent.keyboard('g');
    await click('Go to the quiz');
    await heading('Quiz: question 2 of 2');
    await userEvent.keyboard('z');
    await heading('Quiz: question 1 of 2');
    expect(screen.getByRole('button', { pressed: true }).textContent).toBe('A significantly better');
    await userEvent.keyboard('53');
    await click('Hand in');
    await waitFor(() =>
      expect(server.attempts[0]?.answers).toEqual([
        { example: 1, preferred: 'second', intensity: 1 }, { example: 2, preferred: 'first', intensity: 2 },
      ]),
    );
  });

  it('takes a tie only where the project does', async () => {
    open();
    await click('Go to the quiz');
    await userEvent.keyboard('t');
    await heading('Quiz: question 1 of 2');
    cleanup();
    open({ ties_allowed: true });
    await click('Go to the quiz');
    await userEvent.keyboard('t');
    await heading('Quiz: question 2 of 2');
  });

  it('is only read where there is no quiz', async () => {
    server.qualification = { ...server.qualification, standing: 'must_read', passed_version: 1, n_needed: 0, quiz: [] };
    open();
    await heading('The guidelines have changed');
    expect(screen.getByText('Length no longer counts.')).toBeTruthy();
    expect(screen.queryByText(/quiz/i)).toBeNull();
    await click('Go on rating');
    await waitFor(() => expect(onPassed).toHaveBeenCalledOnce());
    expect(server.attempts).toEqual([{ version: 2, attempt: 1, answers: [] }]);
  });

  it('begins again with the newest version when one was published meanwhile', async () => {
    open();
    await click('Go to the quiz');
    await userEvent.keyboard('11');
    server.refusal = { status: 409, body: { code: 'guidelines_changed', detail: 'The guidelines are at version 3 now.' } };
    server.qualification = { ...server.qualification, version: 3, passed_version: 2 };
    server.guidelines = { ...GUIDELINES, number: 3, change_note: 'Now with tables.' };
    await click('Hand in');
    await screen.findByText('The guidelines are at version 3 now.');
    expect(await screen.findByText('Now with tables.')).toBeTruthy();
    await click('Go to the quiz');
    await heading('Quiz: question 1 of 2');
  });

  it('keeps the answers when the server cannot be reached', async () => {
    open();
    await click('Go to the quiz');
    await userEvent.keyboard('11');
    server.refusal = { status: 503, body: { code: 'unavailable', detail: 'Not now.' } };
    await click('Hand in');
    expect((await screen.findByText('Not now.')).closest('[role=alert]')).toBeTruthy();
    await click('Hand in');
    await heading('Passed: 2 of 2 right');
  });

  it('steps aside when there is nothing to pass any more', async () => {
    server.qualification = { ...server.qualification, standing: 'ok', quiz: [] };
    open();
    await waitFor(() => expect(onPassed).toHaveBeenCalledOnce());
  });
});

describe('the notice of a version that changes nothing in meaning', () => {
  beforeEach(() => {
    server.qualification = { ...server.qualification, standing: 'ok', passed_version: 1, quiz: [] };
    server.guidelines = { ...GUIDELINES, changes_meaning: false };
  });

  it('says what changed, once', async () => {
    show(<NewVersionNotice version={2} />);
    await screen.findByText('Length no longer counts.');
    expect(screen.getByRole('link', { name: 'See what changed' }).getAttribute('href')).toBe(
      '/projects/helpfulness/guidelines?version=2&compare=1',
    );
    await click('Dismiss');
    cleanup();
    show(<NewVersionNotice version={2} />);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.queryByText('Length no longer counts.')).toBeNull();
  });

  it('is not for who was led through that very version', async () => {
    server.qualification.passed_version = 2;
    show(<NewVersionNotice version={2} />);
    await waitFor(() => expect(fetch).toHaveBeenCalled());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.queryByRole('status')).toBeNull();
  });
});
