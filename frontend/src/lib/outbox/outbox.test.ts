import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { actAs, api, ApiError } from '@/lib/api/client';
import type { Judgement, Outcome, SubmittedAnswer } from '@/lib/api/types';
import { backOff, Outbox, type OutboxOptions } from './outbox';
import { inMemory, openIndexedDb, ownerKey, type OutboxStore } from './store';
import { randomUuid } from './uuid';

const OWNER = ownerKey(7, 'helpfulness');
const judgement = (assignment_id: number): Judgement => ({
  client_id: randomUuid(),
  assignment_id,
  preferred: 'first',
  intensity: 4,
  active_ms: 1200,
  justification: '',
});
const offline = () => new ApiError(0, 'offline', 'The server does not answer.');

/** A server that stores ratings by client_id, as ours does. */
class FakeServer {
  readonly stored = new Map<string, Judgement>();
  readonly requests: string[][] = [];
  readonly statuses: string[] = [];
  /** Called before an answer goes out; throws to lose it. */
  loseAnswer: () => void = () => undefined;
  refuse: (sent: Judgement) => string | null = () => null;

  readonly send = async (judgements: Judgement[]): Promise<SubmittedAnswer> => {
    this.requests.push(judgements.map((sent) => sent.client_id));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const results = judgements.map((sent) => this.store(sent));
    this.loseAnswer();
    this.statuses.push(...results.map((outcome) => outcome.status));
    const progress = { rated_today: this.stored.size, rated_total: this.stored.size, available: 0, available_is_capped: false };
    return { results, assignments: [], progress: { ...progress, gold: null }, guideline_version: 1, block: null };
  };

  private store(sent: Judgement): Outcome {
    const detail = this.refuse(sent);
    if (detail) return { client_id: sent.client_id, status: 'rejected', rating_id: null, code: 'refused', detail };
    const status = this.stored.has(sent.client_id) ? 'duplicate' : 'accepted';
    this.stored.set(sent.client_id, sent);
    return { client_id: sent.client_id, status, rating_id: 1, code: '', detail: '' };
  }
}

let server: FakeServer;
let open: () => Promise<OutboxStore>;
let n = 0;

function outbox(more: Partial<OutboxOptions> = {}): Outbox {
  return new Outbox({ owner: OWNER, send: server.send, openStore: open, ...more });
}

beforeEach(() => {
  actAs(7);
  server = new FakeServer();
  n += 1;
  const name = `outbox-${n}`;
  open = () => openIndexedDb(name);
});

afterEach(() => {
  vi.useRealTimers();
});

describe('Outbox', () => {
  it('lets go of a rating once the server has accepted it', async () => {
    const box = outbox();
    await box.add(judgement(1));
    await box.flush();
    expect(server.statuses).toEqual(['accepted']);
    expect(box.getSnapshot()).toMatchObject({ unsent: 0, state: 'idle' });
    expect(await (await open()).list(OWNER)).toEqual([]);
  });

  it('keeps a rating whose answer was lost, and sends the same one again: stored once', async () => {
    const box = outbox();
    server.loseAnswer = () => {
      throw offline();
    };
    await box.add(judgement(1));
    await box.flush();
    expect(box.getSnapshot()).toMatchObject({ unsent: 1, state: 'waiting', detail: 'The server does not answer.' });

    server.loseAnswer = () => undefined;
    await box.flush();
    expect(server.requests).toHaveLength(2);
    expect(server.requests[0]).toEqual(server.requests[1]);
    expect(server.statuses).toEqual(['duplicate']);
    expect(server.stored.size).toBe(1);
    expect(box.getSnapshot()).toMatchObject({ unsent: 0, state: 'idle' });
  });

  it('finds after a reload what was left behind', async () => {
    server.loseAnswer = () => {
      throw offline();
    };
    const before = outbox();
    await before.add(judgement(1));
    await before.flush();

    server.loseAnswer = () => undefined;
    const after = outbox();
    expect(await after.heldAssignments()).toEqual([1]);
    await after.flush();
    expect(after.getSnapshot().unsent).toBe(0);
  });

  it('removes what the server rejects and says so', async () => {
    const onRejected = vi.fn();
    server.refuse = (sent) => (sent.assignment_id === 2 ? 'You have rated this comparison already.' : null);
    const box = outbox({ onRejected });
    await Promise.all([box.add(judgement(1)), box.add(judgement(2))]);
    await box.flush();
    expect(onRejected).toHaveBeenCalledOnce();
    expect(onRejected.mock.calls[0]?.[0]).toMatchObject({ detail: 'You have rated this comparison already.' });
    expect(onRejected.mock.calls[0]?.[1]).toMatchObject({ assignment_id: 2 });
    expect(box.getSnapshot().unsent).toBe(0);
  });

  it('sends once when asked twice at the same time', async () => {
    const store = await open();
    await store.put({ client_id: 'x', owner: OWNER, queued_at: 1, judgement: { ...judgement(1), client_id: 'x' } });
    const box = outbox();
    await Promise.all([box.flush(), box.flush()]);
    expect(server.requests).toEqual([['x']]);
  });

  it('sends once when two tabs flush at the same time', async () => {
    const store = await open();
    await store.put({ client_id: 'x', owner: OWNER, queued_at: 1, judgement: { ...judgement(1), client_id: 'x' } });
    await Promise.all([outbox().flush(), outbox().flush()]);
    expect(server.requests).toEqual([['x']]);
  });

  it('sends oldest first and leaves those of other people and projects alone', async () => {
    const store = await open();
    const at = (client_id: string, queued_at: number, owner = OWNER) =>
      store.put({ client_id, owner, queued_at, judgement: { ...judgement(queued_at), client_id } });
    await Promise.all([at('late', 9), at('early', 3), at('theirs', 1, ownerKey(8, 'helpfulness'))]);
    await outbox().flush();
    expect(server.requests).toEqual([['early', 'late']]);
    expect(await store.list(ownerKey(8, 'helpfulness'))).toHaveLength(1);
  });

  it('keeps ratings when signed out, and does not try by itself', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const send = vi.fn(() => Promise.reject(new ApiError(401, 'not_authenticated', 'Sign in.')));
    const box = outbox({ send });
    box.start();
    await box.add(judgement(1));
    await box.flush();
    const n_sent = send.mock.calls.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(send).toHaveBeenCalledTimes(n_sent);
    expect(box.getSnapshot()).toMatchObject({ unsent: 1, state: 'signed_out' });
    box.stop();
  });

  it('sends nothing from the page of somebody else, and hands nothing on', async () => {
    actAs(8);
    const onAnswer = vi.fn();
    const box = outbox({ onAnswer });
    await box.add(judgement(1));
    await box.flush();
    expect(server.requests).toEqual([]);
    expect(onAnswer).not.toHaveBeenCalled();
    expect(box.getSnapshot()).toMatchObject({ unsent: 1, state: 'signed_out' });
    expect(await (await open()).list(OWNER)).toHaveLength(1);

    actAs(7);
    await box.flush();
    expect(server.statuses).toEqual(['accepted']);
  });

  it('says whose ratings it sends, and keeps them when somebody else is signed in', async () => {
    const fetched = vi.fn((_path: string, { headers }: { headers: Record<string, string> }) => {
      const refusal = { code: 'other_user', detail: 'Somebody else has signed in.' };
      return Promise.resolve(
        headers['X-Expected-User'] === '7'
          ? new Response(JSON.stringify(refusal), { status: 401, headers: { 'Content-Type': 'application/problem+json' } })
          : new Response(null, { status: 500 }),
      );
    });
    vi.stubGlobal('fetch', fetched);
    const onRejected = vi.fn();
    const box = outbox({ onRejected, send: (ratings) => api.post('projects/helpfulness/ratings', { ratings, next: 0 }) });
    await box.add(judgement(1));
    await box.flush();
    vi.unstubAllGlobals();
    expect(box.getSnapshot()).toMatchObject({ unsent: 1, state: 'signed_out', detail: 'Somebody else has signed in.' });
    expect(onRejected).not.toHaveBeenCalled();
    expect(await (await open()).list(OWNER)).toHaveLength(1);
  });

  it('tries again by itself after a fault of the server', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const send = vi.fn(server.send).mockRejectedValueOnce(new ApiError(503, 'down', 'Down.'));
    const box = outbox({ send });
    box.start();
    await box.add(judgement(1));
    await vi.waitFor(() => expect(box.getSnapshot().state).toBe('waiting'));
    await vi.advanceTimersByTimeAsync(2_000);
    await vi.waitFor(() => expect(box.getSnapshot()).toMatchObject({ unsent: 0, state: 'idle' }));
    expect(send).toHaveBeenCalledTimes(2);
    box.stop();
  });

  it('tries at once when the line is back', async () => {
    const send = vi.fn(server.send).mockRejectedValueOnce(offline());
    const box = outbox({ send });
    box.start();
    await box.add(judgement(1));
    await vi.waitFor(() => expect(box.getSnapshot().state).toBe('waiting'));
    window.dispatchEvent(new Event('online'));
    await vi.waitFor(() => expect(box.getSnapshot().unsent).toBe(0));
    box.stop();
  });

  it('gets the sound ratings through when one makes the whole batch unreadable', async () => {
    const onRejected = vi.fn();
    const send = vi.fn(async (judgements: Judgement[]) => {
      if (judgements.some((sent) => sent.assignment_id === 2)) {
        throw new ApiError(400, 'invalid', 'Check it.', [{ field: 'justification', message: 'Too long.' }]);
      }
      return server.send(judgements);
    });
    const store = await open();
    for (const id of [1, 2, 3]) {
      await store.put({ client_id: `c${id}`, owner: OWNER, queued_at: id, judgement: { ...judgement(id), client_id: `c${id}` } });
    }
    const box = outbox({ send, onRejected });
    await box.flush();
    expect([...server.stored.keys()]).toEqual(['c1', 'c3']);
    expect(onRejected.mock.calls.map(([outcome]) => (outcome as Outcome).detail)).toEqual(['Too long.']);
    expect(box.getSnapshot().unsent).toBe(0);
  });

  it('does not spin when the answer says nothing of what was sent', async () => {
    const silent = { results: [], assignments: [], guideline_version: 1, block: null };
    const send = vi.fn(() =>
      Promise.resolve({ ...silent, progress: { rated_today: 0, rated_total: 0, available: 0, available_is_capped: false, gold: null } }),
    );
    const box = outbox({ send });
    await box.add(judgement(1));
    await box.flush();
    expect(box.getSnapshot()).toMatchObject({ unsent: 1, state: 'waiting' });
  });

  it('keeps and sends a rating that the browser refuses to store', async () => {
    const full: OutboxStore = { ...inMemory(), isDurable: true, put: () => Promise.reject(new Error('QuotaExceeded')) };
    const send = vi.fn(server.send).mockRejectedValueOnce(offline());
    const box = outbox({ send, openStore: () => Promise.resolve(full) });
    await box.add(judgement(1));
    await vi.waitFor(() => expect(box.getSnapshot()).toMatchObject({ unsent: 1, isDurable: false, state: 'waiting' }));
    await box.flush();
    expect(server.stored.size).toBe(1);
    expect(box.getSnapshot().unsent).toBe(0);
  });

  it('sends what it has in memory when the browser can no longer read what it stored', async () => {
    const broken = () => Promise.reject(new Error('UnknownError'));
    const gone: OutboxStore = { isDurable: true, put: broken, list: broken, remove: broken };
    const onAnswer = vi.fn();
    const box = outbox({ onAnswer, openStore: () => Promise.resolve(gone) });
    await box.add(judgement(1));
    await box.flush();
    expect(server.statuses).toEqual(['accepted']);
    expect(onAnswer).toHaveBeenCalledOnce();
    // It cannot know of any others, and says that it does not work.
    expect(box.getSnapshot()).toMatchObject({ unsent: 0, state: 'waiting', isDurable: false });
    expect(await box.heldAssignments()).toEqual([]);
  });
});

describe('backOff', () => {
  it('doubles from a second up to a minute', () => {
    expect([0, 1, 2, 3, 10].map((failures) => backOff(failures, 0.5))).toEqual([1000, 2000, 4000, 8000, 60_000]);
  });

  it('spreads by a quarter either way', () => {
    expect([backOff(0, 0), backOff(0, 1)]).toEqual([750, 1250]);
  });
});

describe('randomUuid', () => {
  it('makes one of version 4, also outside of secure contexts', () => {
    const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(randomUuid()).toMatch(version4);
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    const one = randomUuid();
    expect(one).toMatch(version4);
    expect(randomUuid()).not.toBe(one);
    vi.unstubAllGlobals();
  });
});
