/** One labeller ranking in one project: rankings come in ahead of need, and leave through the outbox. */

import { api } from '@/lib/api/client';
import type {
  Block, NextRankings, RankingAssignment, RankingOrder, RankingProgress, Settled, SubmittedRankings, Tiers,
} from '@/lib/api/types';
import { Outbox } from '@/lib/outbox/outbox';
import { ownerKey } from '@/lib/outbox/store';
import { randomUuid } from '@/lib/outbox/uuid';

/** Leases to hold: the one on the screen and two more. */
const N_HELD = 3;
/** The server leases no more at a time. */
const MAX_HELD = 10;

export interface RankingSnapshot {
  /** The first one is on the screen. */
  rankings: RankingAssignment[];
  progress: RankingProgress | null;
  block: Block | null;
  isLoading: boolean;
  /** The server has nothing more for this labeller now. */
  isExhausted: boolean;
  error: unknown;
}

interface Options {
  userId: number;
  slug: string;
  onRejected: (outcome: Settled) => void;
}

export class RankingSession {
  readonly outbox: Outbox<RankingOrder, SubmittedRankings>;
  private readonly path: string;
  private snapshot: RankingSnapshot = {
    rankings: [],
    progress: null,
    block: null,
    isLoading: false,
    isExhausted: false,
    error: null,
  };
  private readonly listeners = new Set<() => void>();
  /** Ranked or skipped; the server may still list them until it has heard of it. */
  private readonly done = new Set<number>();
  /** Somebody asked while an older question was on its way, whose answer may not know of what happened since. */
  private isAskedAgain = false;

  constructor({ userId, slug, onRejected }: Options) {
    this.path = `projects/${slug}`;
    this.outbox = new Outbox<RankingOrder, SubmittedRankings>({
      owner: ownerKey(userId, slug, 'rankings'),
      send: (rankings) =>
        api.post<SubmittedRankings>(`${this.path}/rankings`, { rankings, next: this.wanted(rankings.length) }),
      onAnswer: (answer) => this.receive(answer),
      onRejected: (outcome, order) => {
        // It comes back if the server still lists it.
        this.done.delete(order.assignment_id);
        onRejected(outcome);
      },
      onHeldElsewhere: (assignmentId) => this.take(assignmentId),
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): RankingSnapshot => this.snapshot;

  start(): void {
    window.addEventListener('online', this.topUp);
    this.outbox.start();
    void this.load();
  }

  stop(): void {
    window.removeEventListener('online', this.topUp);
    this.outbox.stop();
  }

  /** Take the ranking on the screen; false where it was taken already. */
  submit(assignmentId: number, given: { tiers: Tiers; active_ms: number; justification: string }): boolean {
    if (!this.take(assignmentId)) return false;
    void this.outbox
      .add({ client_id: randomUuid(), assignment_id: assignmentId, ...given })
      .then(() => this.outbox.flush())
      .then(this.topUp);
    return true;
  }

  /** Pass on the ranking on the screen; it comes back if the server did not hear of it. */
  async skip(assignmentId: number, reason: string): Promise<void> {
    if (this.take(assignmentId)) await this.pass([assignmentId], reason);
  }

  /**
   * Have no more of these categories in this project, and pass on the ranking on the screen and those behind it that are
   * of them too: they are leased already. All come back if the server did not hear of it.
   */
  async decline(assignmentId: number, categories: string[], sensitiveTags: string[], reason: string): Promise<void> {
    const path = `${this.path}/preferences`;
    const isDeclined = ({ id, warnings }: RankingAssignment) =>
      id === assignmentId || warnings.some((tag) => categories.includes(tag));
    const taken = this.snapshot.rankings.filter(isDeclined).map(({ id }) => id);
    for (const id of taken) this.take(id);
    try {
      const { declined_tags } = await api.get<{ declined_tags: string[] }>(path);
      const wanted = new Set([...declined_tags, ...categories]);
      // The server knows no other category; one may have been struck off since it was declined.
      await api.patch(path, { declined_tags: sensitiveTags.filter((tag) => wanted.has(tag)) });
    } catch (error) {
      for (const id of taken) this.done.delete(id);
      void this.refill();
      throw error;
    }
    await this.pass(taken, reason);
  }

  /** Give back what was taken off the screen; what the server did not hear of comes back. */
  private async pass(assignmentIds: number[], reason: string): Promise<void> {
    const answers = assignmentIds.map(async (id) => {
      try {
        await api.post(`${this.path}/ranking-assignments/${id}/skip`, { reason });
      } catch (error) {
        this.done.delete(id);
        throw error;
      }
    });
    await Promise.allSettled(answers);
    void this.refill();
    await Promise.all(answers);
  }

  async refill(): Promise<void> {
    this.isAskedAgain = true;
    if (this.snapshot.isLoading) return;
    this.show({ isLoading: true, error: null });
    try {
      while (this.isAskedAgain) {
        this.isAskedAgain = false;
        this.receive(await api.post<NextRankings>(`${this.path}/rankings/next`, { n: this.wanted(0) }));
      }
    } catch (error) {
      this.show({ error });
    } finally {
      this.show({ isLoading: false });
    }
  }

  private readonly topUp = (): void => {
    const { rankings, isExhausted } = this.snapshot;
    if (rankings.length === 0 && !isExhausted) void this.refill();
  };

  private async load(): Promise<void> {
    // Made before the page was closed, but not sent: not to be asked again.
    for (const assignmentId of await this.outbox.heldAssignments()) this.take(assignmentId);
    await this.refill();
  }

  private take(id: number): boolean {
    if (this.done.has(id)) return false;
    this.done.add(id);
    this.show({ rankings: this.snapshot.rankings.filter((ranking) => ranking.id !== id), isExhausted: false });
    return true;
  }

  private receive(answer: NextRankings): void {
    const known = new Map(this.snapshot.rankings.map((ranking) => [ranking.id, ranking]));
    const waiting = answer.assignments.filter((ranking) => !this.done.has(ranking.id));
    const [current] = this.snapshot.rankings;
    const behind = waiting.filter((ranking) => ranking.id !== current?.id).map((ranking) => known.get(ranking.id) ?? ranking);
    // What somebody is reading stays, whatever the answer says.
    const rankings = current ? [current, ...behind] : behind;
    this.show({
      rankings,
      progress: answer.progress,
      block: answer.block,
      isExhausted: rankings.length === 0 && answer.assignments.length === 0,
      error: null,
    });
  }

  /** Leases to ask for: those ranked but unsent are still held, and are not what the labeller needs. */
  private wanted(n_beingSent: number): number {
    return Math.min(MAX_HELD, N_HELD + Math.max(0, this.outbox.getSnapshot().unsent - n_beingSent));
  }

  private show(change: Partial<RankingSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}
