/** Keeps the shared draft of the guidelines on the server while it is being written. */

import { api, ApiError } from '@/lib/api/client';
import type { GuidelineDraft } from '@/lib/api/types';
import type { Draft } from './draft';

export interface SaverSnapshot {
  /** `clean`: nothing written since it was opened or saved. */
  state: 'clean' | 'waiting' | 'saving' | 'failed' | 'conflict';
  /** Of the draft that this one follows; 0 where there is none. */
  revision: number;
  savedAt: string | null;
  savedBy: string;
  /** In a conflict: what somebody else has saved meanwhile; null where the draft was published or discarded. */
  theirs: GuidelineDraft | null;
  problem: string;
}

/** Saved so long after the last key. */
const PAUSE_MS = 1200;

interface Options {
  slug: string;
  draft: GuidelineDraft | null;
  pauseMs?: number;
}

/**
 * One save at a time, each with the revision that was read: what somebody else has saved meanwhile is never written over
 * unseen. A change during a save is saved after it.
 */
export class DraftSaver {
  private snapshot: SaverSnapshot;
  private readonly listeners = new Set<() => void>();
  private readonly url: string;
  private readonly pauseMs: number;
  private pending: Draft | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: Promise<void> | null = null;
  private isClosed = false;

  constructor({ slug, draft, pauseMs = PAUSE_MS }: Options) {
    this.url = `projects/${slug}/guidelines/draft`;
    this.pauseMs = pauseMs;
    this.snapshot = {
      state: 'clean', revision: draft?.revision ?? 0, savedAt: draft?.updated_at ?? null, savedBy: draft?.updated_by ?? '',
      theirs: null, problem: '',
    };
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getSnapshot = () => this.snapshot;

  get isUnsaved(): boolean {
    return this.snapshot.state !== 'clean';
  }

  /** Something was written: it is saved after a pause. In a conflict it waits for the writer to decide. */
  change(written: Draft): void {
    if (this.isClosed) return;
    this.pending = written;
    if (this.snapshot.state === 'conflict') return;
    this.set({ state: this.running ? 'saving' : 'waiting' });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), this.pauseMs);
  }

  /** Save now what is not saved. True once everything is. */
  async flush(): Promise<boolean> {
    clearTimeout(this.timer);
    while (this.running) await this.running;
    while (this.pending && this.snapshot.state !== 'conflict' && !this.isClosed) {
      this.running = this.save(this.pending);
      await this.running;
      this.running = null;
      if (this.snapshot.state === 'failed') return false;
    }
    return !this.isUnsaved;
  }

  /** Somebody else has saved `theirs`, as the server says when this draft is published. */
  overtake(theirs: GuidelineDraft | null, written: Draft): void {
    this.pending = written;
    this.set({ state: 'conflict', theirs });
  }

  /** In a conflict: save what is written here, in place of what they have saved and one has now seen. */
  async keepMine(written: Draft): Promise<boolean> {
    this.pending = written;
    this.set({ ...this.follows(this.snapshot.theirs), state: 'saving' });
    return this.flush();
  }

  /** Nothing is saved from here on: the draft is published, discarded, or gives way to another one's. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.pending = null;
    this.set({ state: 'clean' });
  }

  private follows(draft: GuidelineDraft | null): Partial<SaverSnapshot> {
    return {
      revision: draft?.revision ?? 0, savedAt: draft?.updated_at ?? null, savedBy: draft?.updated_by ?? '', theirs: null, problem: '',
    };
  }

  private async save(written: Draft): Promise<void> {
    this.pending = null;
    this.set({ state: 'saving', problem: '' });
    try {
      const saved = await api.put<GuidelineDraft>(this.url, { ...written, revision: this.snapshot.revision });
      this.set({ ...this.follows(saved), state: this.pending ? 'waiting' : 'clean' });
    } catch (error) {
      // What was written since is newer.
      this.pending ??= written;
      if (error instanceof ApiError && error.code === 'draft_changed') {
        this.set({ state: 'conflict', theirs: (error.extra.current as GuidelineDraft | null | undefined) ?? null });
      } else {
        this.set({ state: 'failed', problem: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  private set(changes: Partial<SaverSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...changes };
    for (const listener of this.listeners) listener();
  }
}
