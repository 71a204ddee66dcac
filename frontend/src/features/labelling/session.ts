/** One labeller at work in one project: pairs come from the queue, ratings leave through the outbox. */

import { CONTENT_WARNING } from '@/components/ReasonDialog';
import { api, ApiError } from '@/lib/api/client';
import type { Assignment, Judgement, NextAnswer, OwnAssignment, Project, Settled, Span, SubmittedAnswer } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { Outbox } from '@/lib/outbox/outbox';
import { ownerKey } from '@/lib/outbox/store';
import { randomUuid } from '@/lib/outbox/uuid';
import type { Draft } from './pending';
import { N_HELD, PairQueue } from './queue';

/** The server leases no more at a time. */
const MAX_HELD = 20;

export const FLAG_KINDS = [
  ['harmful', t('Harmful content')],
  ['personal_data', t('Personal data of a real person')],
  ['broken', t('Broken or unreadable text')],
  ['guideline_unclear', t('The guidelines do not say how to judge this')],
  ['other', t('Something else')],
] as const;
export type FlagKind = (typeof FLAG_KINDS)[number][0];

/** So many ratings of this visit can be gone back to, one after the other. */
const N_REMEMBERED = 20;

/** A pair that has been rated, and how. */
export interface Rated {
  pair: Assignment;
  judgement: Judgement;
  /** When the pair was first rated, in milliseconds since the epoch. */
  at: number;
}

/** What was begun of a pair that left the screen without an answer. */
export interface Begun {
  draft: Draft;
  spans: Span[];
  isRevealed: boolean;
  activeMs: number;
}

interface Options {
  userId: number;
  slug: string;
  /** So long a rating can be changed. */
  graceMinutes: number;
  onRejected: (outcome: Settled) => void;
}

export function sendRatings(slug: string, ratings: Judgement[], next: number): Promise<SubmittedAnswer> {
  return api.post<SubmittedAnswer>(`projects/${slug}/ratings`, { ratings, next });
}

export class LabellingSession {
  readonly queue: PairQueue;
  readonly outbox: Outbox;
  /** How many pairs were rated on this visit; a changed rating is no second one. */
  n_rated = 0;
  private readonly path: string;
  private readonly graceMs: number;
  /** The latest last. */
  private rated: Rated[] = [];
  /** What is being changed, by assignment. */
  private readonly changing = new Map<number, Rated>();
  private readonly begun = new Map<number, Begun>();

  constructor({ userId, slug, graceMinutes, onRejected }: Options) {
    this.path = `projects/${slug}`;
    this.graceMs = graceMinutes * 60_000;
    this.queue = new PairQueue(() => api.post<NextAnswer>(`${this.path}/next`, { n: this.wanted(0) }));
    this.outbox = new Outbox({
      owner: ownerKey(userId, slug),
      send: (ratings) => sendRatings(slug, ratings, this.wanted(ratings.length)),
      onAnswer: (answer) => this.queue.receive(answer),
      onRejected: (outcome, judgement) => {
        // A change that is refused leaves the rating as it was.
        if (!judgement.supersedes) this.queue.giveBack(judgement.assignment_id);
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
  rate(pair: Assignment, given: Omit<Judgement, 'client_id' | 'assignment_id' | 'supersedes'>): boolean {
    if (!this.queue.take(pair.id)) return false;
    const before = this.changing.get(pair.id);
    this.changing.delete(pair.id);
    this.begun.delete(pair.id);
    const judgement: Judgement = {
      ...given,
      client_id: randomUuid(),
      assignment_id: pair.id,
      supersedes: before?.judgement.client_id ?? null,
    };
    if (!before) this.n_rated += 1;
    this.rated = [...this.rated, { pair, judgement, at: before?.at ?? Date.now() }].slice(-N_REMEMBERED);
    void this.outbox
      .add(judgement)
      .then(() => this.outbox.flush())
      .then(this.topUp);
    return true;
  }

  /** The rating that `goBack` would open: the latest one, within the project's grace window. */
  get last(): Rated | null {
    const last = this.rated.at(-1);
    return last && Date.now() - last.at < this.graceMs ? last : null;
  }

  /** Put the pair rated last back on the screen, to be rated anew. What it was given stands until then. */
  goBack(): Rated | null {
    const { last } = this;
    if (!last) return null;
    this.rated = this.rated.slice(0, -1);
    this.open(last);
    return last;
  }

  /** Put a pair from the labeller's history on the screen, to be rated anew. */
  async change(assignmentId: number): Promise<void> {
    const { rating, ...pair } = await api.get<OwnAssignment>(`${this.path}/assignments/${assignmentId}`);
    const { preferred, intensity, is_neither_acceptable, bucket, justification, spans, client_id } = rating;
    const judgement: Judgement = {
      client_id, assignment_id: pair.id, preferred, intensity, is_neither_acceptable, bucket, justification, spans, active_ms: 0,
    };
    this.open({ pair, judgement, at: new Date(rating.created_at).getTime() });
  }

  /** What the pair on the screen was given before, where it is being changed. */
  before(pairId: number): Rated | null {
    return this.changing.get(pairId) ?? null;
  }

  /** What was begun of a pair before another one took its place on the screen. */
  begunOf(pairId: number): Begun | null {
    return this.begun.get(pairId) ?? null;
  }

  /** Remember what was begun of a pair that leaves the screen, unless it leaves for good. */
  remember(pairId: number, begun: Begun): void {
    if (this.queue.getSnapshot().pairs.some(({ id }) => id === pairId)) this.begun.set(pairId, begun);
  }

  /** Leave the rating that is being changed as it is. */
  keep(pairId: number): void {
    const before = this.changing.get(pairId);
    if (!before) return;
    this.changing.delete(pairId);
    this.begun.delete(pairId);
    this.rated = [...this.rated, before].slice(-N_REMEMBERED);
    this.queue.take(pairId);
  }

  private open(rated: Rated): void {
    this.changing.set(rated.pair.id, rated);
    this.queue.reopen(rated.pair);
  }

  skip(assignmentId: number, reason: string): Promise<void> {
    return this.setAside(assignmentId, 'skip', { reason });
  }

  /** Flag a pair. One that has a rating keeps it; the server has to have it first, since a flag skips what is unrated. */
  async flag(assignmentId: number, kind: FlagKind, note: string): Promise<void> {
    if (this.changing.has(assignmentId)) {
      await this.outbox.flush();
      if ((await this.outbox.heldAssignments()).includes(assignmentId)) {
        throw new ApiError(409, 'unsent', t('Your rating of this pair is not sent yet; flag it once it is.'));
      }
      // Asked twice while it was being sent.
      if (!this.changing.has(assignmentId)) return;
      this.keep(assignmentId);
    }
    await this.setAside(assignmentId, 'flag', { kind, note });
  }

  /** Have no more pairs of these categories: pass on this one, and on those that wait behind it. */
  async decline(assignmentId: number, categories: string[]): Promise<void> {
    const off = [assignmentId];
    this.queue.take(assignmentId);
    const takeOthers = () => {
      for (const { id, warnings } of this.queue.getSnapshot().pairs) {
        if (this.changing.has(id) || !warnings.some((warning) => categories.includes(warning))) continue;
        this.queue.take(id);
        off.push(id);
      }
    };
    takeOthers();
    try {
      // The server passes on what is declined and has no rating yet: what was rated goes first.
      await this.outbox.flush();
      await this.addDeclined(categories);
      // More may have come in the meantime.
      takeOthers();
    } catch (error) {
      for (const id of off.splice(1)) this.queue.giveBack(id);
      throw error;
    } finally {
      await Promise.all(off.map((id) => this.skip(id, CONTENT_WARNING)));
    }
  }

  private async addDeclined(categories: string[]): Promise<void> {
    const path = `${this.path}/preferences`;
    const [{ declined_tags }, { sensitive_tags }] = await Promise.all([
      api.get<{ declined_tags: string[] }>(path),
      api.get<Project>(this.path),
    ]);
    // What the project no longer warns of would have the whole list refused.
    const wanted = [...new Set([...declined_tags, ...categories])].filter((tag) => sensitive_tags.includes(tag));
    await api.patch(path, { declined_tags: wanted });
  }

  /** Take the pair off the screen at once; it comes back if the server did not hear of it. */
  private async setAside(assignmentId: number, what: 'skip' | 'flag', body: unknown): Promise<void> {
    this.queue.take(assignmentId);
    this.begun.delete(assignmentId);
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
