/** Ratings, or rankings, on their way to the server: kept until it has acknowledged each one, sent again until it has. */

import { ApiError, isActingAs } from '@/lib/api/client';
import type { Judgement, Settled, SubmittedAnswer } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { alone } from './lock';
import { openStore, userOf, type Answer, type Held, type OutboxStore } from './store';

/** The server takes 200 ratings or 100 rankings at most; smaller ones get through a bad line. */
const BATCH = 50;
const SLOWEST_MS = 60_000;

export interface OutboxSnapshot {
  unsent: number;
  state: 'idle' | 'sending' | 'waiting' | 'signed_out' | 'refused';
  /** Why the last attempt failed. */
  detail: string;
  /** False: closing the tab loses what is unsent. */
  isDurable: boolean;
}

export interface OutboxOptions<A extends Answer = Judgement, R extends { results: Settled[] } = SubmittedAnswer> {
  owner: string;
  send: (judgements: A[]) => Promise<R>;
  onAnswer?: (answer: R) => void;
  onRejected?: (outcome: Settled, judgement: A) => void;
  /** Another tab took a rating of this assignment. */
  onHeldElsewhere?: (assignmentId: number) => void;
  openStore?: () => Promise<OutboxStore<A>>;
}

/** Milliseconds before attempt `n` + 1: doubling, with jitter, so that a room of labellers does not return at once. */
export function backOff(n: number, random = Math.random()): number {
  return Math.min(SLOWEST_MS, 1000 * 2 ** n) * (0.75 + random / 2);
}

export class Outbox<A extends Answer = Judgement, R extends { results: Settled[] } = SubmittedAnswer> {
  private snapshot: OutboxSnapshot = { unsent: 0, state: 'idle', detail: '', isDurable: true };
  private readonly listeners = new Set<() => void>();
  private store: Promise<OutboxStore<A>> | undefined;
  /** What the store refused to take (a full disk): in memory, and sent like the rest. */
  private readonly unstored = new Map<string, Held<A>>();
  private flushing: Promise<void> | null = null;
  private isAskedAgain = false;
  private isStarted = false;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private channel: BroadcastChannel | undefined;

  constructor(private readonly options: OutboxOptions<A, R>) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): OutboxSnapshot => this.snapshot;

  /** Send what lies here, now and whenever there is a new chance. */
  start(): void {
    this.isStarted = true;
    window.addEventListener('online', this.tryNow);
    document.addEventListener('visibilitychange', this.tryNow);
    if (typeof BroadcastChannel === 'function') {
      this.channel = new BroadcastChannel(this.name);
      this.channel.onmessage = ({ data }: MessageEvent<number | null>) => {
        if (data !== null) this.options.onHeldElsewhere?.(data);
        void this.refresh();
      };
    }
    void this.flush();
  }

  stop(): void {
    this.isStarted = false;
    window.removeEventListener('online', this.tryNow);
    document.removeEventListener('visibilitychange', this.tryNow);
    this.channel?.close();
    this.channel = undefined;
    clearTimeout(this.timer);
  }

  /** Take a rating. Resolves once it is stored here; sending goes on by itself. */
  async add(judgement: A): Promise<void> {
    const held = { client_id: judgement.client_id, owner: this.options.owner, queued_at: Date.now(), judgement };
    try {
      await this.withStore((store) => store.put(held));
    } catch {
      this.unstored.set(held.client_id, held);
    }
    this.channel?.postMessage(judgement.assignment_id);
    await this.refresh();
    void this.flush();
  }

  /** The assignments whose ratings are still here; none where they cannot be read, which sending them then shows. */
  async heldAssignments(): Promise<number[]> {
    try {
      return (await this.list()).map((held) => held.judgement.assignment_id);
    } catch {
      return [];
    }
  }

  /** Send everything that is here. One at a time in this browser; resolves when nothing is left or it did not work. */
  flush(): Promise<void> {
    if (this.flushing) {
      this.isAskedAgain = true;
      return this.flushing;
    }
    clearTimeout(this.timer);
    this.flushing = this.run().finally(() => {
      this.flushing = null;
    });
    return this.flushing;
  }

  private readonly tryNow = () => {
    if (document.visibilityState !== 'visible') return;
    this.failures = 0;
    // An attempt under way may be failing on the old line.
    void (this.flushing ?? Promise.resolve()).then(() => this.flush());
  };

  private async run(): Promise<void> {
    do {
      this.isAskedAgain = false;
      try {
        await alone(this.name, () => this.drain());
        this.failures = 0;
      } catch (error) {
        await this.fail(error);
        return;
      }
    } while (this.isAskedAgain);
  }

  /** Send batch after batch until nothing is left. Under the lock, so what another tab has sent is gone from the list. */
  private async drain(): Promise<void> {
    let size = BATCH;
    for (;;) {
      const held = (await this.list()).slice(0, size);
      if (held.length === 0) {
        this.show({ unsent: 0, state: 'idle', detail: '' });
        return;
      }
      this.show({ state: 'sending' });
      try {
        await this.sendBatch(held);
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status !== 400 && error.status !== 422)) throw error;
        // The server cannot read the batch. Alone, the sound ones get through and the broken one is found.
        if (held.length > 1) size = 1;
        else await this.giveUp(held, error);
      }
    }
  }

  private async sendBatch(batch: Held<A>[]): Promise<void> {
    // The request names its user (see `actAs`). Sent as anybody else, the ratings would be refused one by one and lost.
    if (!isActingAs(userOf(this.options.owner))) throw new ApiError(401, 'other_user', t('You have been signed out.'));
    const answer = await this.options.send(batch.map((held) => held.judgement));
    const sent = new Map(batch.map((held) => [held.client_id, held.judgement]));
    const settled = answer.results.filter((outcome) => sent.has(outcome.client_id));
    if (settled.length === 0) throw new Error(t('The server did not say what became of the ratings.'));
    await this.remove(settled.map((outcome) => outcome.client_id));
    const left = await this.list().then(
      (held) => held.length,
      () => Math.max(0, this.snapshot.unsent - settled.length),
    );
    for (const outcome of settled) {
      const judgement = sent.get(outcome.client_id);
      if (outcome.status === 'rejected' && judgement) this.options.onRejected?.(outcome, judgement);
    }
    // In one go, so that what is sent and what is counted by the server never show twice or not at all.
    this.options.onAnswer?.(answer);
    this.show({ unsent: left });
  }

  private async giveUp(batch: Held<A>[], error: ApiError): Promise<void> {
    await this.remove(batch.map((held) => held.client_id));
    await this.refresh();
    const detail = error.errors[0]?.message ?? error.detail;
    for (const { client_id, judgement } of batch) {
      this.options.onRejected?.({ client_id, status: 'rejected', code: error.code, detail }, judgement);
    }
  }

  private async fail(error: unknown): Promise<void> {
    const status = error instanceof ApiError ? error.status : 0;
    const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429;
    const state = status === 401 ? 'signed_out' : isRefused ? 'refused' : 'waiting';
    await this.refresh();
    this.show({ state, detail: error instanceof Error ? error.message : String(error) });
    // Signing in makes a new page, or brings this tab back to the front: both try again.
    if (this.isStarted && state !== 'signed_out') this.timer = setTimeout(() => void this.flush(), backOff(this.failures));
    this.failures += 1;
  }

  private get name(): string {
    return `touchstone-outbox:${this.options.owner}`;
  }

  /** Use the store; once more with a new connection where the browser has closed the old one. */
  private async withStore<T>(work: (store: OutboxStore<A>) => Promise<T>): Promise<T> {
    const open = this.options.openStore ?? openStore;
    this.store ??= open();
    try {
      return await work(await this.store);
    } catch {
      this.store = open();
      return await work(await this.store);
    }
  }

  /** Oldest first. Where the store cannot be read, what is in memory is sent all the same. */
  private async list(): Promise<Held<A>[]> {
    try {
      const stored = await this.withStore((store) => store.list(this.options.owner));
      return [...stored, ...this.unstored.values()];
    } catch (error) {
      if (this.unstored.size === 0) throw error;
      return [...this.unstored.values()];
    }
  }

  private async remove(clientIds: string[]): Promise<void> {
    const stored = clientIds.filter((clientId) => !this.unstored.delete(clientId));
    try {
      await this.withStore((store) => store.remove(clientIds));
    } catch (error) {
      if (stored.length > 0) throw error;
    }
    this.channel?.postMessage(null);
  }

  private async refresh(): Promise<void> {
    try {
      const unsent = (await this.list()).length;
      const isDurable = await this.withStore(async (store) => store.isDurable);
      this.show({ unsent, isDurable: isDurable && this.unstored.size === 0 });
    } catch {
      this.show({ unsent: Math.max(this.snapshot.unsent, this.unstored.size), isDurable: false });
    }
  }

  private show(change: Partial<OutboxSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}
