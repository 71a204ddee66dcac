import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GuidelineDraft } from '@/lib/api/types';
import type { Draft } from './draft';
import { DraftSaver } from './saver';

const written = (body: string): Draft => ({ body, change_note: '', changes_meaning: false, examples: [], notes: [] });
const stored = (body: string, revision: number, updated_by = 'Ada'): GuidelineDraft => ({
  ...written(body), based_on: 1, revision, updated_by, updated_at: `2026-11-01T12:0${revision}:00Z`,
});

/** The server's side of a draft: it refuses who has not read the newest revision. */
let draft: GuidelineDraft | null;
let bodies: string[];
let isDown: boolean;
/** Holds answers back until it is called. */
let answer: (() => void) | null;
let isHolding: boolean;

function json(status: number, body: unknown) {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

beforeEach(() => {
  vi.useFakeTimers();
  [draft, bodies, isDown, answer, isHolding] = [null, [], false, null, false];
  vi.stubGlobal('fetch', async (_: string, init: RequestInit) => {
    const sent = JSON.parse(String(init.body)) as Draft & { revision: number };
    bodies.push(sent.body);
    if (isHolding) await new Promise<void>((resolve) => (answer = resolve));
    if (isDown) throw new TypeError('Failed to fetch');
    if (sent.revision !== (draft?.revision ?? 0)) {
      return json(409, { code: 'draft_changed', detail: 'Somebody else has saved it.', current: draft });
    }
    draft = stored(sent.body, sent.revision + 1, 'Me');
    return json(200, draft);
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const opened = (from: GuidelineDraft | null = null) => new DraftSaver({ slug: 'p', draft: from, pauseMs: 1000 });

describe('a draft', () => {
  it('is saved after a pause, once for many keys', async () => {
    const saver = opened();
    for (const body of ['B', 'Be', 'Be brief.']) {
      saver.change(written(body));
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(bodies).toEqual([]);
    expect(saver.isUnsaved).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(bodies).toEqual(['Be brief.']);
    expect(saver.getSnapshot()).toMatchObject({ state: 'clean', revision: 1, savedBy: 'Me', savedAt: '2026-11-01T12:01:00Z' });
  });

  it('is saved again where it was changed during a save', async () => {
    const saver = opened();
    isHolding = true;
    saver.change(written('one'));
    await vi.advanceTimersByTimeAsync(1000);
    saver.change(written('two'));
    isHolding = false;
    answer?.();
    await vi.advanceTimersByTimeAsync(1000);
    expect(bodies).toEqual(['one', 'two']);
    expect(saver.getSnapshot()).toMatchObject({ state: 'clean', revision: 2 });
  });

  it('stays to be saved where the server does not answer', async () => {
    const saver = opened();
    isDown = true;
    saver.change(written('one'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(saver.getSnapshot().state).toBe('failed');
    isDown = false;
    expect(await saver.flush()).toBe(true);
    expect(draft?.body).toBe('one');
  });
});

describe('two who write', () => {
  /** Bo has saved after the draft was opened here. */
  async function conflict() {
    draft = stored('old', 3);
    const saver = opened(draft);
    draft = stored('theirs', 4, 'Bo');
    saver.change(written('mine'));
    await vi.advanceTimersByTimeAsync(1000);
    return saver;
  }

  it('do not write over each other: the second is told', async () => {
    const saver = await conflict();
    expect(saver.getSnapshot()).toMatchObject({ state: 'conflict', theirs: { body: 'theirs', updated_by: 'Bo' } });
    saver.change(written('mine, still'));
    await vi.advanceTimersByTimeAsync(5000);
    expect(await saver.flush()).toBe(false);
    expect(bodies).toEqual(['mine']);
    expect(draft?.body).toBe('theirs');
  });

  it('can go on from what the other has saved', async () => {
    const overtaken = await conflict();
    const { theirs } = overtaken.getSnapshot();
    overtaken.close();
    const saver = opened(theirs);
    saver.change(written('theirs and mine'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(draft).toMatchObject({ body: 'theirs and mine', revision: 5 });
  });

  it('can put theirs in its place, having seen the other', async () => {
    const saver = await conflict();
    expect(await saver.keepMine(written('mine'))).toBe(true);
    expect(draft).toMatchObject({ body: 'mine', revision: 5 });
  });

  it('begin a new draft where the other has published theirs', async () => {
    draft = stored('old', 3);
    const saver = opened(draft);
    draft = null;
    saver.change(written('mine'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(saver.getSnapshot()).toMatchObject({ state: 'conflict', theirs: null });
    expect(await saver.keepMine(written('mine'))).toBe(true);
    expect(draft).toMatchObject({ body: 'mine', revision: 1 });
  });
});

it('saves nothing once it is published', async () => {
  const saver = opened();
  saver.change(written('one'));
  saver.close();
  await vi.advanceTimersByTimeAsync(5000);
  expect(bodies).toEqual([]);
  expect(saver.isUnsaved).toBe(false);
});
