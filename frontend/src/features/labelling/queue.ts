/** The pairs a labeller has in hand: the one on the screen and those behind it, so that the next one is there at once. */

import type { Assignment, Block, LabellerProgress, NextAnswer } from '@/lib/api/types';

/** Leases to hold: the one on the screen and four more. */
export const N_HELD = 5;
/** Ask for more when fewer than this lie behind the one on the screen. */
const N_AHEAD = 3;

export interface QueueSnapshot {
  /** The first one is on the screen. */
  pairs: Assignment[];
  progress: LabellerProgress | null;
  /** Null where the project has no guidelines; undefined before the first answer. */
  guidelineVersion: number | null | undefined;
  /** Why the server gives no work. */
  block: Block | null;
  isLoading: boolean;
  /** The server has nothing more for this labeller now. */
  isExhausted: boolean;
  error: unknown;
}

export class PairQueue {
  private snapshot: QueueSnapshot = {
    pairs: [],
    progress: null,
    guidelineVersion: undefined,
    block: null,
    isLoading: false,
    isExhausted: false,
    error: null,
  };
  private readonly listeners = new Set<() => void>();
  /** Rated or set aside; the server may still list them until it has heard of it. */
  private readonly done = new Set<number>();
  /** The last answer was short: there is nothing more to fetch at the moment. */
  private isShort = false;
  /** Somebody asked while an older question was on its way, whose answer may not know of what happened since. */
  private isAskedAgain = false;

  constructor(private readonly fetchNext: () => Promise<NextAnswer>) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getSnapshot = (): QueueSnapshot => this.snapshot;

  /** Take a pair off; false where it was off already. */
  take(id: number): boolean {
    if (this.done.has(id)) return false;
    this.done.add(id);
    this.show({ pairs: this.snapshot.pairs.filter((pair) => pair.id !== id), isExhausted: false });
    return true;
  }

  /** The pair was not settled after all: it comes back if the server still lists it. */
  giveBack(id: number): void {
    this.done.delete(id);
  }

  /** Put a pair that was rated back on the screen, in front of the one that is there. */
  reopen(pair: Assignment): void {
    this.done.delete(pair.id);
    this.show({ pairs: [pair, ...this.snapshot.pairs.filter(({ id }) => id !== pair.id)], isExhausted: false });
  }

  receive(answer: NextAnswer): void {
    const [current] = this.snapshot.pairs;
    const known = new Map(this.snapshot.pairs.map((pair) => [pair.id, pair]));
    const waiting = answer.assignments.filter((pair) => !this.done.has(pair.id));
    const behind = waiting.filter((pair) => pair.id !== current?.id).map((pair) => known.get(pair.id) ?? pair);
    // What somebody is reading stays, whatever the answer says.
    const pairs = current ? [current, ...behind] : behind;
    this.isShort = answer.assignments.length < N_HELD;
    this.show({
      pairs,
      progress: answer.progress,
      guidelineVersion: answer.guideline_version,
      block: answer.block,
      isExhausted: pairs.length === 0 && answer.assignments.length === 0,
      error: null,
    });
  }

  /** Fetch more where few are left. */
  async topUp(): Promise<void> {
    const { pairs, isExhausted } = this.snapshot;
    if (pairs.length === 0 ? !isExhausted : pairs.length <= N_AHEAD && !this.isShort) await this.refill();
  }

  async refill(): Promise<void> {
    this.isAskedAgain = true;
    if (this.snapshot.isLoading) return;
    this.show({ isLoading: true, error: null });
    try {
      while (this.isAskedAgain) {
        this.isAskedAgain = false;
        this.receive(await this.fetchNext());
      }
    } catch (error) {
      this.show({ error });
    } finally {
      this.show({ isLoading: false });
    }
  }

  private show(change: Partial<QueueSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const listener of this.listeners) listener();
  }
}
