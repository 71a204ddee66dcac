import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { actAs } from '@/lib/api/client';
import type { NextRankings, RankingAssignment } from '@/lib/api/types';
import { RankingSession } from './session';

const rankingOf = (id: number, warnings: string[] = []): RankingAssignment => ({
  id,
  prompt: { messages: [{ role: 'user', content: `Question ${id}` }] },
  completions: [{ text: 'a' }, { text: 'b' }, { text: 'c' }],
  warnings,
  lease_until: '2026-12-01T12:00:00Z',
});

/** Leases, skips and preferences as our server keeps them. */
class FakeServer {
  leased: RankingAssignment[] = [];
  declined: string[] = [];
  sensitive = ['violence', 'weapons'];
  readonly skipped: number[] = [];
  refusesSkipOf: number | null = null;

  readonly fetch = (path: string, { method, body }: { method: string; body?: string }): Promise<Response> => {
    const [status, answer] = this.answer(method, path.replace('/api/v1/projects/safety/', ''), body ? JSON.parse(body) : {});
    return Promise.resolve(status === 204 ? new Response(null, { status }) : Response.json(answer, { status }));
  };

  private answer(method: string, path: string, body: { declined_tags?: string[] }): [number, unknown] {
    if (path === 'rankings/next') return [200, this.next()];
    if (path === 'preferences' && method === 'GET') return [200, { declined_tags: this.declined }];
    if (path === 'preferences') {
      if (body.declined_tags?.some((tag) => !this.sensitive.includes(tag))) return [400, { code: 'invalid', detail: 'Unknown tag.' }];
      this.declined = body.declined_tags ?? [];
      return [200, { declined_tags: this.declined }];
    }
    const id = Number(/^ranking-assignments\/(\d+)\/skip$/.exec(path)?.[1]);
    if (id === this.refusesSkipOf) return [503, { code: 'down', detail: 'Down.' }];
    this.skipped.push(id);
    this.leased = this.leased.filter((ranking) => ranking.id !== id);
    return [204, null];
  }

  private next(): NextRankings {
    const progress = { ranked_today: 0, ranked_total: 0, available: 0, available_is_capped: false };
    return { assignments: this.leased, progress, guideline_version: 1, block: null };
  }
}

let server: FakeServer;
let session: RankingSession;
const shown = () => session.getSnapshot().rankings.map(({ id }) => id);

beforeEach(async () => {
  actAs(7);
  server = new FakeServer();
  server.leased = [rankingOf(1, ['violence']), rankingOf(2, ['violence', 'weapons']), rankingOf(3), rankingOf(4, ['weapons'])];
  vi.stubGlobal('fetch', server.fetch);
  session = new RankingSession({ userId: 7, slug: 'safety', onRejected: () => undefined });
  await session.refill();
});

afterEach(() => vi.unstubAllGlobals());

describe('RankingSession', () => {
  it('passes on every ranking in hand that is of a declined category', async () => {
    const done = session.decline(1, ['violence'], server.sensitive, 'Content warning');
    // At once: nothing of the kind comes on the screen while the server is told.
    expect(shown()).toEqual([3, 4]);
    await done;
    expect(server.declined).toEqual(['violence']);
    expect(server.skipped).toEqual([1, 2]);
  });

  it('leaves out a category that the project has struck off since it was declined', async () => {
    server.declined = ['gore', 'weapons'];
    await session.decline(1, ['violence'], server.sensitive, 'Content warning');
    expect(server.declined).toEqual(['violence', 'weapons']);
  });

  it('brings all back where the server refuses the choice', async () => {
    server.sensitive = ['weapons'];
    await expect(session.decline(1, ['violence'], ['violence', 'weapons'], 'Content warning')).rejects.toThrow('Unknown tag.');
    await vi.waitFor(() => expect(shown().sort()).toEqual([1, 2, 3, 4]));
    expect(server.skipped).toEqual([]);
  });

  it('brings back the one that the server did not hear was skipped', async () => {
    server.refusesSkipOf = 2;
    await expect(session.decline(1, ['violence'], server.sensitive, 'Content warning')).rejects.toThrow('Down.');
    await vi.waitFor(() => expect(shown().sort()).toEqual([2, 3, 4]));
    expect(server.skipped).toEqual([1]);
  });
});
