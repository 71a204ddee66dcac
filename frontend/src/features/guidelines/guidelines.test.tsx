import { MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { Notifications, notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, configure, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { createMemoryRouter, RouterProvider } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capability, GuidelineDraft, GuidelineVersion, Project, QuizAttempt, WorkedExample } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { EditGuidelinesPage } from './EditGuidelinesPage';
import { GuidelinesPage } from './GuidelinesPage';

// Saves wait for a pause, and the machine may have other work.
configure({ asyncUtilTimeout: 5_000 });
vi.setConfig({ testTimeout: 20_000 });

const PROJECT = {
  slug: 'helpfulness',
  intensity_labels: ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'],
  ties_allowed: true,
  quiz_pass_share: 0.8,
  capabilities: ['label', 'review', 'guidelines', 'adjudicate'],
} as Project;

const example = (n: number, more: Partial<WorkedExample> = {}): WorkedExample => ({
  prompt: `Prompt ${n}`, completion_a: `alpha ${n}`, completion_b: `beta ${n}`, preferred: 'a', intensity: 3, rationale: `Reason ${n}.`,
  in_quiz: false, ...more,
});
const versionOf = (number: number, body: string, more: Partial<GuidelineVersion> = {}): GuidelineVersion => ({
  number, body, change_note: '', changes_meaning: number === 1, author: 'Ada', published_at: '2026-09-01T00:00:00Z', examples: [], ...more,
});
const attemptOf = (id: number, more: Partial<QuizAttempt> = {}): QuizAttempt => ({
  id, labeller: { id: 5, pseudonym: 'L-FIVE' }, version: 2, n_questions: 4, n_right: 1, passed: false, forgiven: false, is_blocking: true, revoked_at: null,
  created_at: '2026-09-02T00:00:00Z', ...more,
});

const draftWith = (more: Partial<GuidelineDraft> = {}): GuidelineDraft => ({
  body: 'Be kind.', change_note: '', changes_meaning: false, examples: [], notes: [], based_on: 1, revision: 4, updated_by: 'Bo',
  updated_at: '2026-11-01T12:03:00Z', ...more,
});
const DISAGREEMENT = {
  version: 2,
  sections: [{ heading: 'Length', n_adjudications: 2, n_flags: 1, n_disputed: 5, comparisons: [31, 32] }],
  examples: [
    {
      id: 1, position: 0, prompt: 'How far is the moon?', n_answers: 40, mostly: { preferred: 'b', n: 9 }, comparison: 31,
      share_wrong: { value: 0.3, low: 0.2, high: 0.42, n: 40, too_few: false },
    },
  ],
};

/** The server's side of guidelines and qualifications. */
class FakeServer {
  versions: GuidelineVersion[] = [];
  attempts: QuizAttempt[] = [];
  published: (Partial<GuidelineVersion> & { based_on: number })[] = [];
  draft: GuidelineDraft | null = null;
  isRefusingSaves = false;
  allowed: string[] = [];

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = String(input).replace('/api/v1/projects/helpfulness/', '').replace(/\?.*/, '');
    if (path === 'guidelines/draft') return this.drafting(init);
    if (init.method === 'POST' && path === 'guidelines') return this.publish(JSON.parse(String(init.body)));
    if (init.method === 'POST') {
      this.allowed.push(path);
      this.attempts = this.attempts.map((one) => ({ ...one, forgiven: !one.passed, is_blocking: false }));
      return json(200, { n_forgiven: 3 });
    }
    if (path === 'guidelines') return json(200, { next: null, previous: null, results: this.versions.toReversed() });
    if (path === 'qualifications') return json(200, { next: null, previous: null, results: this.attempts });
    if (path === 'guidelines/disagreement') return json(200, DISAGREEMENT);
    const newest = this.versions.at(-1);
    if (path === 'guidelines/current' && newest) return json(200, newest);
    return json(404, { code: 'no_guidelines', detail: 'None.' });
  };

  private drafting(init: RequestInit): Response {
    if (this.isRefusingSaves && init.method === 'PUT') return json(503, { code: 'busy', detail: 'Busy.' });
    if (init.method === 'DELETE') {
      this.draft = null;
      return new Response(null, { status: 204 });
    }
    if (init.method === 'PUT') {
      const sent = JSON.parse(String(init.body)) as GuidelineDraft;
      if (sent.revision !== (this.draft?.revision ?? 0)) {
        return json(409, { code: 'draft_changed', detail: 'Meanwhile.', current: this.draft });
      }
      this.draft = draftWith({ ...sent, revision: sent.revision + 1, based_on: this.versions.length, updated_by: 'Me' });
    }
    return this.draft ? json(200, this.draft) : json(404, { code: 'no_draft', detail: 'None.' });
  }

  private publish(sent: (typeof this.published)[number]): Response {
    const number = this.versions.length;
    if (sent.based_on !== number) return json(409, { code: 'guidelines_changed', detail: 'Meanwhile.' });
    this.published.push(sent);
    this.draft = null;
    this.versions.push(versionOf(number + 1, sent.body ?? '', sent));
    return json(201, this.versions.at(-1));
  }
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

let server: FakeServer;

function open(path: string, capabilities?: Capability[]) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = createMemoryRouter(
    [
      { path: '/projects/helpfulness/guidelines', Component: GuidelinesPage },
      { path: '/projects/helpfulness/guidelines/edit', Component: EditGuidelinesPage },
    ],
    { initialEntries: [`/projects/helpfulness/${path}`] },
  );
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <ProjectContext value={{ ...PROJECT, ...(capabilities && { capabilities }) }}>
          <ModalsProvider>
            <Notifications />
            <RouterProvider router={router} />
          </ModalsProvider>
        </ProjectContext>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return router;
}

const click = async (name: string | RegExp, role = 'button') => userEvent.click(await screen.findByRole(role, { name }));
const write = (label: string | RegExp, text: string, within_ = document.body) =>
  fireEvent.change(within(within_).getByLabelText(label), { target: { value: text } });

beforeEach(() => {
  server = new FakeServer();
  vi.stubGlobal('fetch', vi.fn(server.fetch));
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

describe('writing guidelines', () => {
  it('publishes the first version with an example that the quiz asks', async () => {
    const router = open('guidelines/edit');
    await screen.findByLabelText(/^Text/);
    expect(screen.queryByLabelText(/changes what ratings mean/)).toBeNull();
    write(/^Text/, 'Be **truthful**.');
    await click('Add an example');
    const card = screen.getByRole('region', { name: 'Example 1' });
    write(/^Prompt/, 'How far is the moon?', card);
    write(/^Completion A/, '384,400 km', card);
    write(/^Completion B/, 'Far.', card);
    write(/^Why/, 'It answers.', card);
    await userEvent.click(within(card).getByRole('switch', { name: /^Ask this in the quiz/ }));
    expect(screen.getByText(/One of them is asked in the quiz. Right answers needed: 1/)).toBeTruthy();

    await click('Preview', 'tab');
    expect((await screen.findByText('truthful')).tagName).toBe('STRONG');
    expect(screen.getByText('A slightly better')).toBeTruthy();

    await click('Publish version 1');
    await waitFor(() => expect(router.state.location.pathname).toBe('/projects/helpfulness/guidelines'));
    expect(server.published).toEqual([
      {
        body: 'Be **truthful**.',
        change_note: '',
        changes_meaning: false,
        based_on: 0,
        draft_revision: 1,
        examples: [
          {
            prompt: 'How far is the moon?', completion_a: '384,400 km', completion_b: 'Far.', preferred: 'a', intensity: 2,
            rationale: 'It answers.', in_quiz: true,
          },
        ],
      },
    ]);
  });

  it('starts from the current version, shows what changes and says whether meaning does', async () => {
    server.versions = [versionOf(1, 'Be brief.', { examples: [example(1), example(2)] })];
    open('guidelines/edit');
    await screen.findByDisplayValue('Be brief.');
    write(/^Text/, 'Be clear.');
    await click('Move example 2 up');
    await click('What changes', 'tab');
    expect((await screen.findByText('brief')).tagName).toBe('DEL');
    expect(screen.getByText('clear').tagName).toBe('INS');
    expect(screen.getByText('Example 2 is now example 1.')).toBeTruthy();
    await click(/^This version changes what ratings mean/, 'switch');
    write('What changed', 'Clear, not brief.');
    await click('Publish version 2');
    await waitFor(() => expect(server.published).toHaveLength(1));
    expect(server.published[0]).toMatchObject({
      based_on: 1, changes_meaning: true, change_note: 'Clear, not brief.', examples: [example(2), example(1)],
    });
  });

  it('says what is missing, where it is', async () => {
    open('guidelines/edit');
    await screen.findByLabelText(/^Text/);
    await click('Add an example');
    await click('Preview', 'tab');
    await click('Publish version 1');
    expect(await screen.findAllByText('Write something here.')).toHaveLength(5);
    expect(server.published).toEqual([]);
  });

  it('saves what is written, and on the way out what is not saved yet', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    const router = open('guidelines/edit');
    await screen.findByDisplayValue('Be brief.');
    expect(server.draft).toBeNull();
    write(/^Text/, 'Be clear.');
    await click('Close', 'link');
    await waitFor(() => expect(router.state.location.pathname).toBe('/projects/helpfulness/guidelines'));
    await waitFor(() => expect(server.draft).toMatchObject({ body: 'Be clear.', revision: 1 }));
  });

  it('asks before what cannot be saved is left behind', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    server.isRefusingSaves = true;
    const router = open('guidelines/edit');
    await screen.findByDisplayValue('Be brief.');
    const closing = () => {
      const event = new Event('beforeunload', { cancelable: true });
      window.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(closing()).toBe(false);
    write(/^Text/, 'Be clear.');
    expect(closing()).toBe(true);
    await screen.findByText('Not saved: Busy.');
    await click('Close', 'link');
    await click('Keep it');
    expect(router.state.location.pathname).toBe('/projects/helpfulness/guidelines/edit');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    await click('Close', 'link');
    await screen.findByRole('dialog');
    await userEvent.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(screen.getByDisplayValue('Be clear.')).toBeTruthy();
    await click('Close', 'link');
    await click('Leave');
    await waitFor(() => expect(router.state.location.pathname).toBe('/projects/helpfulness/guidelines'));
    expect(server.draft).toBeNull();
  });

  it('goes on with the draft: its notes beside the text, its examples with where they are from', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    server.draft = draftWith({
      notes: [{ comparison: 31, section: 'Length', text: 'Say when long is fine.', by: 'Rea', at: '2026-11-01T11:00:00Z' }],
      examples: [example(1, { comparison: 32 })],
    });
    open('guidelines/edit');
    await screen.findByDisplayValue('Be kind.');
    expect(screen.getByRole('link', { name: 'From comparison 32' }).getAttribute('href')).toBe('/projects/helpfulness/comparisons/32');
    await click('Notes (1)', 'tab');
    const note = screen.getByRole('region', { name: 'Note 1' });
    within(note).getByText('Say when long is fine.');
    expect(within(note).getByRole('link', { name: 'Comparison 31' }).getAttribute('href')).toBe('/projects/helpfulness/comparisons/31');
    await click('Note 1 is done');
    await waitFor(() => expect(server.draft).toMatchObject({ notes: [], revision: 5 }));
  });

  it('says who has saved the draft meanwhile, and loads theirs', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    server.draft = draftWith();
    open('guidelines/edit');
    await screen.findByDisplayValue('Be kind.');
    server.draft = draftWith({ body: 'Be kind and brief.', revision: 5 });
    write(/^Text/, 'Be clear.');
    await screen.findByText(/^Bo has saved the draft meanwhile/);
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Publish version 2' }).disabled).toBe(true);
    await click('Load theirs');
    await screen.findByDisplayValue('Be kind and brief.');
    expect(server.draft.revision).toBe(5);
  });

  it('keeps what was written here in place of theirs', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    server.draft = draftWith();
    open('guidelines/edit');
    await screen.findByDisplayValue('Be kind.');
    server.draft = draftWith({ body: 'Be kind and brief.', revision: 5 });
    write(/^Text/, 'Be clear.');
    await screen.findByText(/^Bo has saved the draft meanwhile/);
    await click('Keep mine');
    await waitFor(() => expect(server.draft).toMatchObject({ body: 'Be clear.', revision: 6 }));
    await click('Publish version 2');
    await waitFor(() => expect(server.published).toMatchObject([{ body: 'Be clear.', draft_revision: 6 }]));
  });

  it('throws the draft away once that is confirmed', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    server.draft = draftWith();
    const router = open('guidelines/edit');
    await click('Discard the draft');
    const dialog = await screen.findByRole('dialog');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Discard' }));
    await waitFor(() => expect(router.state.location.pathname).toBe('/projects/helpfulness/guidelines'));
    expect(server.draft).toBeNull();
  });

  it('does not write over what somebody else has published meanwhile', async () => {
    server.versions = [versionOf(1, 'Be brief.')];
    open('guidelines/edit');
    await screen.findByDisplayValue('Be brief.');
    write(/^Text/, 'Be clear.');
    server.versions.push(versionOf(2, 'Be kind.'));
    await click('Publish version 2');
    const link = await screen.findByRole('link', { name: 'See version 2 in a new tab' });
    expect(link.getAttribute('href')).toBe('/projects/helpfulness/guidelines?version=2&compare=1');
    expect(screen.getByDisplayValue('Be clear.')).toBeTruthy();
    await click('I have read it');
    await click('Publish version 3');
    await waitFor(() => expect(server.published).toMatchObject([{ based_on: 2, body: 'Be clear.' }]));
  });
});

describe('reading guidelines', () => {
  beforeEach(() => {
    server.versions = [versionOf(1, 'Be brief.'), versionOf(2, 'Be clear.', { change_note: 'Not brief.' })];
  });

  it('shows the newest, and what differs between two', async () => {
    open('guidelines');
    await screen.findByText('Be clear.');
    expect(screen.getByText(/Version 2 · Ada/).textContent).toContain('Not brief.');
    cleanup();
    open('guidelines?version=2&compare=1');
    await screen.findByRole('heading', { name: 'From version 1 to version 2' });
    expect(screen.getByText('brief').tagName).toBe('DEL');
    expect(screen.getByText('clear').tagName).toBe('INS');
  });

  it('lets reviewers allow another attempt, once for each labeller', async () => {
    server.attempts = [
      attemptOf(3), attemptOf(2), attemptOf(1),
      attemptOf(4, { labeller: { id: 6, pseudonym: 'L-SIX' }, n_right: 4, passed: true, is_blocking: false }),
    ];
    open('guidelines');
    const row = (await screen.findByText('L-SIX')).closest('tr');
    expect(row?.textContent).toContain('4 of 4Passed');
    expect(screen.getAllByText('Not passed, no attempts left')).toHaveLength(3);
    await click('Allow another attempt: L-FIVE');
    const dialog = await screen.findByRole('dialog');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Allow another attempt' }));
    await screen.findByText('L-FIVE may try again.');
    expect(server.allowed).toEqual(['qualifications/5/allow']);
    expect(await screen.findAllByText('Not passed, set aside')).toHaveLength(3);
  });

  it('shows reviewers which sections and examples labellers disagree about', async () => {
    open('guidelines');
    expect((await screen.findByRole('link', { name: 'Watch the effect' })).getAttribute('href')).toBe('/projects/helpfulness/agreement#versions');
    await click('Where labellers disagree', 'tab');
    const row = (await screen.findByText('Length')).closest('tr');
    expect(row?.textContent).toBe('Length2153132');
    expect(screen.getByText('B (9)')).toBeTruthy();
  });

  it('shows a labeller neither the list nor the editor', async () => {
    open('guidelines', ['label']);
    await screen.findByText('Be clear.');
    expect(screen.queryByText('Qualifications')).toBeNull();
    expect(screen.queryByRole('tab')).toBeNull();
    expect(screen.queryByRole('link', { name: 'Write a new version' })).toBeNull();
  });
});
