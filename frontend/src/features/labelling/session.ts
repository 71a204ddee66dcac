/** One labeller at work in one project: pairs come from the queue, ratings leave through the outbox. */

import { api } from '@/lib/api/client';
import type { Judgement, NextAnswer, Outcome, SubmittedAnswer } from '@/lib/api/types';
import { Outbox } from '@/lib/outbox/outbox';
import { ownerKey } from '@/lib/outbox/store';
import { randomUuid } from '@/lib/outbox/uuid';
import { N_HELD, PairQueue } from './queue';

/** The server leases no more at a time. */
const MAX_HELD = 20;

export const FLAG_KINDS = [
  ['harmful', 'Harmful content'],
  ['personal_data', 'Personal data of a real person'],
  ['broken', 'Broken or unreadable text'],
  ['guideline_unclear', 'The guidelines do not say how to judge this'],
  ['other', 'Something else'],
] as const;
export type FlagKind = (typeof FLAG_KINDS)[number][0];

interface Options {
  userId: number;
  slug: string;
  onRejected: (outcome: Outcome) => void;
}

export function sendRatings(slug: string, ratings: Judgement[], next: number): Promise<SubmittedAnswer> {
  return api.post<SubmittedAnswer>(`projects/${slug}/ratings`, { ratings, next });
}

export class LabellingSession {
  readonly queue: PairQueue;
  readonly outbox: Outbox;
  private readonly path: string;

  constructor({ userId, slug, onRejected }: Options) {
    this.path = `projects/${slug}`;
    this.queue = new PairQueue(() => api.post<NextAnswer>(`${this.path}/next`, { n: this.wanted(0) }));
    this.outbox = new Outbox({
      owner: ownerKey(userId, slug),
      send: (ratings) => sendRatings(slug, ratings, this.wanted(ratings.length)),
      onAnswer: (answer) => this.queue.receive(answer),
      onRejected: (outcome, judgement) => {
        this.queue.giveBack(judgement.assignment_id);
        onRejected(outcome);
      },
      onHeldElsewhere: (assignmentId) => this.queue.take(assignmentId),
    });
  }

  start(): void {
    window.addEventListener('online', this.topUp);
    this.outbox.start();
    void this.load();
  }

  stop(): void {
    window.removeEventListener('online', this.topUp);
    this.outbox.stop();
  }

  /** Take a judgement of the pair on the screen; false where it has one already. */
  rate(judgement: Omit<Judgement, 'client_id'>): boolean {
    if (!this.queue.take(judgement.assignment_id)) return false;
    void this.outbox
      .add({ client_id: randomUuid(), ...judgement })
      .then(() => this.outbox.flush())
      .then(this.topUp);
    return true;
  }

  skip(assignmentId: number, reason: string): Promise<void> {
    return this.setAside(assignmentId, 'skip', { reason });
  }

  flag(assignmentId: number, kind: FlagKind, note: string): Promise<void> {
    return this.setAside(assignmentId, 'flag', { kind, note });
  }

  /** Take the pair off the screen at once; it comes back if the server did not hear of it. */
  private async setAside(assignmentId: number, what: 'skip' | 'flag', body: unknown): Promise<void> {
    this.queue.take(assignmentId);
    try {
      await api.post(`${this.path}/assignments/${assignmentId}/${what}`, body);
    } catch (error) {
      this.queue.giveBack(assignmentId);
      throw error;
    } finally {
      void this.queue.refill();
    }
  }

  private readonly topUp = () => this.queue.topUp();

  private async load(): Promise<void> {
    // Rated before the page was closed, but not sent: not to be asked again.
    for (const assignmentId of await this.outbox.heldAssignments()) this.queue.take(assignmentId);
    await this.queue.refill();
  }

  /** Leases to ask for: those rated but unsent are still held, and are not what the labeller needs. */
  private wanted(n_beingSent: number): number {
    return Math.min(MAX_HELD, N_HELD + Math.max(0, this.outbox.getSnapshot().unsent - n_beingSent));
  }
}
