import { MantineProvider } from '@mantine/core';
import { Notifications, notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Assignment, Block, GuidelineVersion, Judgement, LabellerMessage, Me, Project } from '@/lib/api/types';
import { meKey, ProjectContext } from '@/lib/session';
import { LabellingPage } from './LabellingPage';

const PROJECT: Project = {
  slug: 'helpfulness',
  name: 'Helpfulness',
  axis: 'helpfulness',
  is_demo: false,
  is_archived: false,
  description: '',
  intensity_labels: ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'],
  ties_allowed: false,
  min_ratings: 3,
  max_ratings: 5,
  ranking_size: null,
  stop_confidence: 0.9,
  disagreement_limit: 0.3,
  lease_minutes: 30,
  grace_minutes: 60,
  is_length_shown: false,
  is_gold_shown: false,
  justification_min_length: 0,
  bucket_axis: '',
  bucket_labels: [],
  gold_rate: 0,
  repeat_rate: 0,
  gold_floor: null,
  gold_window: 10,
  quiz_pass_share: 0.8,
  sensitive_tags: [],
  sensitive_per_day: null,
  pay_per_hour: null,
  currency: '',
  pool: { id: 1, name: 'Pool' },
  role: 'labeller',
  capabilities: ['label'],
  created_at: '2026-09-01T00:00:00Z',
};
const GUIDELINES: GuidelineVersion = {
  number: 2,
  body: 'Prefer the completion that **does** what was asked.',
  change_note: 'Length no longer counts.',
  changes_meaning: true,
  author: 'Ada',
  published_at: '2026-09-01T00:00:00Z',
  examples: [],
};

const pairOf = (id: number): Assignment => ({
  id,
  prompt: { messages: [{ role: 'user', content: `Question ${id}` }] },
  first: { text: `first of ${id}` },
  second: { text: `second of ${id}` },
  lease_until: '2026-10-01T12:00:00Z',
  warnings: [],
});

/** The server's side of the labelling API, over fetch. */
class FakeServer {
  pairs: number[] = [];
  ratings: Judgement[] = [];
  setAside: { path: string; body: unknown }[] = [];
  guidelineVersion: number | null = 2;
  block: Block | null = null;
  /** Categories that the pairs are marked with. */
  warnings: string[] = [];
  /** Pairs without them. */
  mild: number[] = [];
  /** The project's, which may have changed since the page was opened. */
  sensitiveTags = ['violence', 'self-harm'];
  declined: string[] = [];
  capped = false;
  /** Set to answer everything with it, 0 for no answer at all. */
  failing: number | null = null;
  /** The queue answers and ratings get lost. */
  failingRatings = false;
  rejects = new Map<number, string>();
  messages: LabellerMessage[] = [];

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = String(input).replace('/api/v1/projects/helpfulness/', '');
    if (this.failing === 0) throw new TypeError('Failed to fetch');
    if (this.failing) return json(this.failing, { code: 'failing', detail: `Status ${this.failing}.` });
    const body = (init.body ? JSON.parse(String(init.body)) : {}) as Record<string, unknown>;
    if (path.startsWith('guidelines/')) return json(200, GUIDELINES);
    if (path === '/api/v1/projects/helpfulness') return json(200, { ...PROJECT, sensitive_tags: this.sensitiveTags });
    if (path === 'preferences') {
      if (init.method === 'PATCH') {
        const wanted = body.declined_tags as string[];
        if (wanted.some((tag) => !this.sensitiveTags.includes(tag))) return json(400, { code: 'invalid', detail: 'Unknown.' });
        this.declined = wanted;
      }
      return json(200, { declined_tags: this.declined });
    }
    if (path === 'qualification') {
      if (init.method === 'POST') {
        this.block = null;
        return json(200, { passed: true, n_right: 0, n_questions: 0, n_attempts_left: 3, examples: [] });
      }
      const standing = this.block?.code ?? 'ok';
      return json(200, {
        standing, version: 2, passed_version: 2, attempt: 1, n_attempts_left: 3, pass_share: 0.8, n_needed: 0, quiz: [],
      });
    }
    if (path === 'messages?unread=1') return json(200, { next: null, previous: null, results: this.messages });
    if (path === 'next') return json(200, this.next(body.n as number));
    if (path === 'ratings' && this.failingRatings) throw new TypeError('Failed to fetch');
    if (path === 'ratings') {
      const results = (body.ratings as Judgement[]).map((sent) => this.store(sent));
      return json(200, { results, ...this.next(body.next as number) });
    }
    const [, id] = /^assignments\/(\d+)\/(?:skip|flag)$/.exec(path) ?? [];
    if (!id) return json(404, { code: 'not_found', detail: `No ${path}` });
    this.setAside.push({ path, body });
    this.pairs = this.pairs.filter((pair) => pair !== Number(id));
    return new Response(null, { status: 204 });
  };

  private store(sent: Judgement) {
    const { client_id, assignment_id } = sent;
    this.pairs = this.pairs.filter((pair) => pair !== assignment_id);
    const detail = this.rejects.get(assignment_id);
    if (detail) return { client_id, status: 'rejected', rating_id: null, code: 'no', detail };
    const isNew = !this.ratings.some((rating) => rating.client_id === client_id);
    if (isNew) this.ratings = [...this.ratings.filter((rating) => rating.client_id !== sent.supersedes), sent];
    return { client_id, status: isNew ? 'accepted' : 'duplicate', rating_id: 1, code: '', detail: '' };
  }

  private next(n: number) {
    return {
      assignments: this.block ? [] : this.pairs.slice(0, n).map((id) => ({ ...pairOf(id), warnings: this.mild.includes(id) ? [] : this.warnings })),
      progress: {
        rated_today: this.ratings.length,
        rated_total: this.ratings.length,
        available: this.capped ? 200 : Math.max(0, this.pairs.length - n),
        available_is_capped: this.capped,
        gold: null,
      },
      guideline_version: this.guidelineVersion,
      block: this.block,
    };
  }
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

let server: FakeServer;
let userId = 0;

function open(project: Partial<Project> = {}) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } });
  const me: Partial<Me> = { id: userId, name: 'Lee' };
  queries.setQueryData(meKey, me);
  return render(
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <Notifications />
        <MemoryRouter>
          <ProjectContext value={{ ...PROJECT, ...project }}>
            <LabellingPage />
          </ProjectContext>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
}

const isShown = (id: number) => screen.findByText(`Question ${id}`);

beforeEach(() => {
  server = new FakeServer();
  // A user of their own for each test, since the outbox outlives the page.
  userId += 1;
  localStorage.clear();
  vi.stubGlobal('fetch', vi.fn(server.fetch));
  vi.stubGlobal('scrollTo', vi.fn());
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  // What Mantine asks of a browser and jsdom does not have.
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: query.includes('min-width'),
    media: query,
    addEventListener() {},
    removeEventListener() {},
    addListener() {},
    removeListener() {},
  }));
});

afterEach(() => {
  cleanup();
  notifications.clean();
  vi.unstubAllGlobals();
});

describe('LabellingPage', () => {
  it('rates by keyboard: the next pair is there at once, the rating arrives', async () => {
    server.pairs = [11, 12, 13, 14, 15, 16, 17];
    open();
    await isShown(11);
    expect(within(screen.getByRole('region', { name: 'Completion A' })).getByText('first of 11')).toBeTruthy();
    expect(within(screen.getByRole('region', { name: 'Completion B' })).getByText('second of 11')).toBeTruthy();
    expect(screen.getByText(/0 today · 7 left/)).toBeTruthy();

    await userEvent.keyboard('1');
    expect(screen.getByText('Question 12')).toBeTruthy();
    expect(screen.queryByText('Question 11')).toBeNull();
    expect(document.activeElement?.textContent).toBe('Prompt');
    expect(window.scrollTo).toHaveBeenLastCalledWith(0, 0);

    await userEvent.keyboard('8');
    await isShown(13);
    await waitFor(() => expect(server.ratings).toHaveLength(2));
    expect(server.ratings).toMatchObject([
      { assignment_id: 11, preferred: 'first', intensity: 4, justification: '' },
      { assignment_id: 12, preferred: 'second', intensity: 4 },
    ]);
    expect(server.ratings[0]?.active_ms).toBeTypeOf('number');
    await screen.findByText(/2 today · 2 on this visit · 5 left/);
    expect(screen.getAllByRole('status').map((status) => status.textContent)).toContain(
      'Rated: B significantly better. 2 today. Next comparison.',
    );
  });

  it('rates by the buttons, which say what they do and their key', async () => {
    server.pairs = [21, 22];
    open();
    await isShown(21);
    const button = screen.getByRole('button', { name: 'A negligibly better or unsure (4)' });
    expect(button.getAttribute('aria-keyshortcuts')).toBe('4');
    await userEvent.click(button);
    await waitFor(() => expect(server.ratings).toMatchObject([{ assignment_id: 21, preferred: 'first', intensity: 1 }]));
  });

  it('takes a tie only where the project allows it', async () => {
    server.pairs = [31, 32];
    open();
    await isShown(31);
    await userEvent.keyboard('t');
    expect(screen.getByText('Question 31')).toBeTruthy();
    cleanup();

    open({ ties_allowed: true });
    await isShown(31);
    await userEvent.keyboard('t');
    await isShown(32);
    await waitFor(() => expect(server.ratings).toMatchObject([{ preferred: 'tie', intensity: null }]));
  });

  it('sends the reason that was written down, and takes no digits of it for answers', async () => {
    server.pairs = [41, 42];
    open();
    await isShown(41);
    await userEvent.keyboard('j');
    await userEvent.keyboard('A has 2 errors{Escape}');
    expect(screen.getByText('Question 41')).toBeTruthy();
    await userEvent.keyboard('6');
    await waitFor(() =>
      expect(server.ratings).toMatchObject([{ preferred: 'second', intensity: 2, justification: 'A has 2 errors' }]),
    );
  });

  it('skips with a reason; keys are off while the dialog is open', async () => {
    server.pairs = [51, 52];
    open();
    await isShown(51);
    await userEvent.keyboard('s');
    const dialog = await screen.findByRole('dialog', { name: 'Skip this comparison' });
    await userEvent.keyboard('1');
    expect(server.ratings).toEqual([]);
    await userEvent.click(within(dialog).getByRole('radio', { name: 'I cannot decide' }));
    await userEvent.click(within(dialog).getByRole('button', { name: 'Skip' }));
    await isShown(52);
    expect(screen.queryByRole('dialog')).toBeNull();
    await waitFor(() =>
      expect(server.setAside).toEqual([{ path: 'assignments/51/skip', body: { reason: 'undecided' } }]),
    );
  });

  it('flags with a kind and a note', async () => {
    server.pairs = [61, 62];
    open();
    await isShown(61);
    await userEvent.keyboard('f');
    const dialog = await screen.findByRole('dialog', { name: 'Flag this comparison' });
    await userEvent.click(within(dialog).getByRole('radio', { name: /Personal data/ }));
    await userEvent.type(within(dialog).getByRole('textbox'), 'a phone number');
    await userEvent.click(within(dialog).getByRole('button', { name: 'Flag' }));
    await isShown(62);
    await waitFor(() =>
      expect(server.setAside).toEqual([
        { path: 'assignments/61/flag', body: { kind: 'personal_data', note: 'a phone number' } },
      ]),
    );
  });

  it('shows the guidelines beside the pair, and rating goes on', async () => {
    server.pairs = [71, 72];
    open();
    await isShown(71);
    await userEvent.keyboard('g');
    const panel = await screen.findByRole('complementary', { name: 'Guidelines' });
    await within(panel).findByText(/what was asked/);
    await userEvent.keyboard('1');
    await isShown(72);
    expect(screen.getByRole('complementary', { name: 'Guidelines' })).toBeTruthy();
    await userEvent.keyboard('g');
    expect(screen.queryByRole('complementary')).toBeNull();
  });

  it('lists every key in the help', async () => {
    server.pairs = [81];
    open();
    await isShown(81);
    await userEvent.keyboard('?');
    const dialog = await screen.findByRole('dialog', { name: 'Keys' });
    const keys = within(dialog).getAllByRole('row').map((row) => row.querySelector('kbd')?.textContent);
    expect(keys).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '0', 'J', 'H', 'D', 'R', 'Y', 'S', 'F', 'G', 'Z', '?']);
    await userEvent.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  });

  it('shows the guidelines first where the server says they are to be read', async () => {
    server.block = { code: 'must_read', detail: 'Read the guidelines.' };
    server.pairs = [91];
    open();
    await screen.findByText('The guidelines have changed');
    expect(await screen.findByText('Length no longer counts.')).toBeTruthy();
    await userEvent.keyboard('1');
    expect(server.ratings).toEqual([]);
    await userEvent.click(await screen.findByRole('button', { name: 'Go on rating' }));
    await isShown(91);
  });

  it('says why a paused labeller gets nothing', async () => {
    server.block = { code: 'paused', detail: '4 of your last 10 answers to known pairs were right.' };
    server.pairs = [92];
    open();
    await screen.findByText('You are paused in this project');
    expect(screen.getByText(/4 of your last 10 answers/)).toBeTruthy();

    server.block = null;
    await userEvent.click(screen.getByRole('button', { name: 'Check again' }));
    await isShown(92);
  });

  it('says of unsent ratings also where there is no work for now', async () => {
    server.pairs = [991];
    const { unmount } = open();
    await isShown(991);
    server.failing = 503;
    await userEvent.keyboard('1');
    await screen.findByText('1 unsent');
    unmount();

    server.failing = null;
    server.block = { code: 'paused', detail: 'Paused.' };
    server.failingRatings = true;
    open();
    await screen.findByText('You are paused in this project');
    await screen.findByText(/1 rating kept in this browser/);
    server.failingRatings = false;
    await userEvent.click(screen.getByRole('button', { name: 'Send now' }));
    await waitFor(() => expect(server.ratings).toMatchObject([{ assignment_id: 991 }]));
  });

  it('goes back to the last pair: the new answer replaces the old one', async () => {
    server.pairs = [93, 94];
    open();
    await isShown(93);
    await userEvent.keyboard('z');
    expect(screen.getByText('Question 93')).toBeTruthy();
    await userEvent.keyboard('1');
    await isShown(94);
    await waitFor(() => expect(server.ratings).toHaveLength(1));

    await userEvent.keyboard('{Control>}z{/Control}');
    await isShown(93);
    expect(screen.getByText(/You are changing your rating/)).toBeTruthy();
    expect(screen.getByRole('button', { name: 'A significantly better (1)' }).getAttribute('aria-pressed')).toBe('true');
    await userEvent.keyboard('7');
    await isShown(94);
    await waitFor(() => expect(server.ratings).toMatchObject([{ assignment_id: 93, preferred: 'second', intensity: 3 }]));
    expect(server.ratings[0]?.supersedes).toBeTruthy();

    await userEvent.keyboard('z');
    await isShown(93);
    await userEvent.click(screen.getByRole('button', { name: 'Leave it as it was' }));
    await isShown(94);
    expect(server.ratings).toHaveLength(1);
  });

  it('keeps what was begun of a pair while another one is gone back to', async () => {
    server.pairs = [931, 932];
    open({ bucket_axis: 'Safety', bucket_labels: ['safe', 'unsafe'] });
    await isShown(931);
    await userEvent.keyboard('u1');
    await isShown(932);
    await userEvent.keyboard('ij');
    await userEvent.keyboard('Half a thought{Escape}');

    await userEvent.keyboard('z');
    await isShown(931);
    expect(screen.queryByRole('textbox')).toBeNull();
    await userEvent.keyboard('8');
    await isShown(932);
    expect(screen.getByRole<HTMLTextAreaElement>('textbox').value).toBe('Half a thought');
    expect(screen.getByRole('button', { name: 'unsafe (I)' }).getAttribute('aria-pressed')).toBe('true');
    expect(document.activeElement?.textContent).toBe('Prompt');
    await userEvent.keyboard('3');
    await waitFor(() =>
      expect(server.ratings).toMatchObject([
        { assignment_id: 931, preferred: 'second', bucket: 0, justification: '' },
        { assignment_id: 932, preferred: 'first', bucket: 1, justification: 'Half a thought' },
      ]),
    );
  });

  it('changes the second answer or the reason alone; nothing changed sends nothing', async () => {
    server.pairs = [933, 934];
    open({ bucket_axis: 'Safety', bucket_labels: ['safe', 'unsafe'] });
    await isShown(933);
    await userEvent.keyboard('u0');
    await isShown(934);
    await userEvent.keyboard('z');
    await isShown(933);
    const pressed = (name: string) => screen.getByRole('button', { name }).getAttribute('aria-pressed');
    expect(pressed('Neither is acceptable (0)')).toBe('true');
    expect(screen.queryByRole('button', { name: 'Send' })).toBeNull();
    await userEvent.keyboard('uj');
    await userEvent.keyboard('{Control>}{Enter}{/Control}{Escape}');
    expect(screen.getByText('Question 933')).toBeTruthy();
    await userEvent.keyboard('i');
    await isShown(934);
    await waitFor(() =>
      expect(server.ratings).toMatchObject([{ assignment_id: 933, is_neither_acceptable: true, bucket: 1, justification: '' }]),
    );

    await userEvent.keyboard('z');
    await isShown(933);
    await userEvent.keyboard('j');
    await userEvent.keyboard('Both refuse');
    await userEvent.click(screen.getByRole('button', { name: 'Send' }));
    await isShown(934);
    await waitFor(() =>
      expect(server.ratings).toMatchObject([{ is_neither_acceptable: true, bucket: 1, justification: 'Both refuse' }]),
    );
  });

  it('flags a pair that was rated only once its rating is sent, and the rating stays', async () => {
    server.pairs = [935, 936];
    open();
    await isShown(935);
    server.failingRatings = true;
    await userEvent.keyboard('1');
    await isShown(936);
    await userEvent.keyboard('z');
    await isShown(935);
    await userEvent.keyboard('f');
    const dialog = await screen.findByRole('dialog', { name: 'Flag this comparison' });
    await userEvent.click(within(dialog).getByRole('button', { name: 'Flag' }));
    await screen.findByText(/Your rating of this pair is not sent yet/);
    expect(server.setAside).toEqual([]);

    server.failingRatings = false;
    await userEvent.click(within(dialog).getByRole('button', { name: 'Flag' }));
    await isShown(936);
    await waitFor(() => expect(server.setAside).toMatchObject([{ path: 'assignments/935/flag' }]));
    expect(server.ratings).toMatchObject([{ assignment_id: 935, preferred: 'first' }]);
    // It can still be gone back to.
    await userEvent.keyboard('z');
    await isShown(935);
  });

  it('says that it is too late to go back once the grace window has passed', async () => {
    server.pairs = [937, 938];
    open({ grace_minutes: 5 });
    await isShown(937);
    await userEvent.keyboard('1');
    await isShown(938);
    await waitFor(() => expect(server.ratings).toHaveLength(1));
    await waitFor(() => expect(screen.queryByText('1 unsent')).toBeNull());
    // Nothing draws the page again, and its button still offers to go back.
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 5 * 60_000);
    await userEvent.keyboard('z');
    await screen.findByText(/Too late to change it: a rating can be changed for 5 minutes/);
    expect(screen.getByText('Question 938')).toBeTruthy();
    clock.mockRestore();
  });

  it('goes back no further than the grace window', async () => {
    server.pairs = [95, 96];
    open({ grace_minutes: 0 });
    await isShown(95);
    await userEvent.keyboard('1');
    await isShown(96);
    await userEvent.keyboard('z');
    expect(screen.getByText('Question 96')).toBeTruthy();
  });

  it('takes that neither is acceptable', async () => {
    server.pairs = [97, 98];
    open();
    await isShown(97);
    await userEvent.keyboard('0');
    await isShown(98);
    await waitFor(() =>
      expect(server.ratings).toMatchObject([{ preferred: 'tie', intensity: null, is_neither_acceptable: true }]),
    );
  });

  it('asks the second question on the same screen, in either order', async () => {
    server.pairs = [201, 202, 203];
    open({ bucket_axis: 'Safety', bucket_labels: ['chosen safe', 'both safe', 'both unsafe'] });
    await isShown(201);
    await userEvent.keyboard('1');
    expect(screen.getByText('Question 201')).toBeTruthy();
    await userEvent.keyboard('i');
    await isShown(202);
    await userEvent.keyboard('o');
    expect(screen.getByText('Question 202')).toBeTruthy();
    await userEvent.keyboard('8');
    await isShown(203);
    await waitFor(() => expect(server.ratings).toMatchObject([{ preferred: 'first', bucket: 1 }, { preferred: 'second', bucket: 2 }]));
  });

  it('asks for a reason where the project wants one, and sends it once it is long enough', async () => {
    server.pairs = [211, 212];
    open({ justification_min_length: 10 });
    await isShown(211);
    await userEvent.keyboard('1');
    await userEvent.keyboard('Too sho');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(server.ratings).toEqual([]);
    await userEvent.keyboard('rt, and wrong');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await isShown(212);
    await waitFor(() => expect(server.ratings).toMatchObject([{ justification: 'Too short, and wrong' }]));
  });

  it('focuses the field for the reason each time that it is wanted', async () => {
    server.pairs = [213, 214];
    open({ justification_min_length: 10 });
    await isShown(213);
    await userEvent.keyboard('j');
    const field = screen.getByRole('textbox', { name: 'Why' });
    await userEvent.keyboard('Too{Escape}');
    expect(document.activeElement?.textContent).toBe('Prompt');
    await userEvent.keyboard('j');
    expect(document.activeElement).toBe(field);
    await userEvent.keyboard('{Escape}1');
    expect(document.activeElement).toBe(field);
    expect(screen.getAllByRole('status').map((status) => status.textContent)).toContain(
      'A significantly better. Now write down why.',
    );
  });

  it('hides what may distress until it is wanted, and takes no answer to it before', async () => {
    server.warnings = ['violence'];
    server.pairs = [221, 222];
    open();
    const warning = await screen.findByRole('alertdialog', { name: 'This pair may be distressing' });
    const show = within(warning).getByRole('button', { name: 'Show it' });
    await userEvent.keyboard('1j');
    expect(server.ratings).toEqual([]);
    expect(screen.queryByRole('textbox')).toBeNull();
    expect(document.activeElement).toBe(show);
    await userEvent.keyboard('?');
    await screen.findByRole('dialog', { name: 'Keys' });
    await userEvent.keyboard('{Escape}');
    await waitFor(() => expect(document.activeElement).toBe(show));
    await userEvent.click(show);
    expect(screen.queryByRole('alertdialog')).toBeNull();
    expect(document.activeElement?.textContent).toBe('Prompt');
    await userEvent.keyboard('1');
    await waitFor(() => expect(server.ratings).toHaveLength(1));
    await userEvent.click(await screen.findByRole('button', { name: 'Never show me such pairs' }));
    await waitFor(() => expect(server.declined).toEqual(['violence']));
    await waitFor(() =>
      expect(server.setAside).toEqual([{ path: 'assignments/222/skip', body: { reason: 'content_warning' } }]),
    );
  });

  it('passes on all that waits of a declined category, and declines nothing that the project no longer knows', async () => {
    server.warnings = ['violence'];
    server.mild = [225];
    server.declined = ['self-harm'];
    server.sensitiveTags = ['violence'];
    server.pairs = [223, 224, 225, 226];
    open();
    await userEvent.click(await screen.findByRole('button', { name: 'Never show me such pairs' }));
    // Off the screen before the server has heard of it.
    expect(screen.queryByText('Question 223')).toBeNull();
    await isShown(225);
    await waitFor(() => expect(server.declined).toEqual(['violence']));
    await waitFor(() =>
      expect(server.setAside.map(({ path }) => path)).toEqual([223, 224, 226].map((id) => `assignments/${id}/skip`)),
    );
    expect(screen.queryByText('That did not work')).toBeNull();
  });

  it('keeps ratings while the server is away and sends them when it is back', async () => {
    server.pairs = [111, 112, 113];
    open();
    await isShown(111);
    server.failing = 0;
    await userEvent.keyboard('2');
    await isShown(112);
    await screen.findByText('1 unsent');
    await screen.findByText(/1 rating kept in this browser/);

    server.failing = null;
    await userEvent.click(screen.getByRole('button', { name: 'Send now' }));
    await waitFor(() => expect(server.ratings).toMatchObject([{ assignment_id: 111, intensity: 3 }]));
    await waitFor(() => expect(screen.queryByText('1 unsent')).toBeNull());
  });

  it('does not ask again after a reload what was rated but not sent', async () => {
    server.pairs = [121, 122];
    const { unmount } = open();
    await isShown(121);
    server.failing = 503;
    await userEvent.keyboard('1');
    await screen.findByText('1 unsent');
    unmount();

    server.failing = null;
    open();
    await isShown(122);
    expect(screen.queryByText('Question 121')).toBeNull();
    await waitFor(() => expect(server.ratings).toMatchObject([{ assignment_id: 121 }]));
  });

  it('keeps ratings and asks to sign in after a 401', async () => {
    server.pairs = [131, 132];
    open();
    await isShown(131);
    server.failing = 401;
    await userEvent.keyboard('1');
    await screen.findByText(/You have been signed out\. 1 rating kept/);
    expect(screen.getByRole('button', { name: 'Sign in again' })).toBeTruthy();
  });

  it('tells in words when the server does not take a rating', async () => {
    server.pairs = [141, 142];
    server.rejects.set(141, 'You have rated this comparison already, perhaps in another tab.');
    open();
    await isShown(141);
    await userEvent.keyboard('1');
    await screen.findByText(/perhaps in another tab/);
    expect(screen.queryByText('1 unsent')).toBeNull();
  });

  it('says when nothing is left, and checks again', async () => {
    server.pairs = [151];
    open();
    await isShown(151);
    await userEvent.keyboard('1');
    await screen.findByText('You are done for now');
    server.pairs = [152];
    await userEvent.click(screen.getByRole('button', { name: 'Check again' }));
    await isShown(152);
  });

  it('says why it could not load, and tries again', async () => {
    server.pairs = [161];
    server.failing = 503;
    open();
    await screen.findByText('Status 503.');
    server.failing = null;
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await isShown(161);
  });

  it('shows a count that was cut off with a plus', async () => {
    server.capped = true;
    server.pairs = [171];
    open();
    await screen.findByText(/0 today · 200\+ left/);
  });
});
