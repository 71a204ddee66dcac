/** How long somebody really looked at something: not while the tab is hidden, not while they were away. */

export const IDLE_MS = 30_000;

/**
 * A stopwatch that runs from each sign of life for at most `idleMs`.
 *
 * Pure: it knows no timers and no document, only the times it is told through `now`.
 */
export class ActiveTime {
  private counted = 0;
  private since: number;

  constructor(
    private readonly now: () => number = () => performance.now(),
    private isVisible = true,
    private readonly idleMs = IDLE_MS,
  ) {
    this.since = now();
  }

  /** The person did something: moved, typed, scrolled. */
  stir(): void {
    this.settle();
  }

  setVisible(isVisible: boolean): void {
    this.settle();
    this.isVisible = isVisible;
  }

  /** Milliseconds so far, whole. */
  elapsed(): number {
    return Math.round(this.counted + this.running());
  }

  private running(): number {
    return this.isVisible ? Math.min(Math.max(0, this.now() - this.since), this.idleMs) : 0;
  }

  private settle(): void {
    this.counted += this.running();
    this.since = this.now();
  }
}
