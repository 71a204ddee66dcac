import { describe, expect, it, vi } from 'vitest';
import type { Assignment, NextAnswer } from '@/lib/api/types';
import { PairQueue } from './queue';

const pair = (id: number): Assignment => ({
  id,
  prompt: { messages: [{ role: 'user', content: `Question ${id}` }] },
  first: { text: 'one' },
  second: { text: 'two' },
  lease_until: '2026-10-01T12:00:00Z',
  warnings: [],
});
const answer = (...ids: number[]): NextAnswer => ({
  assignments: ids.map(pair),
  progress: { rated_today: 0, rated_total: 0, available: 0, available_is_capped: false, gold: null },
  guideline_version: 1,
  block: null,
});
const shown = (queue: PairQueue) => queue.getSnapshot().pairs.map(({ id }) => id);

describe('PairQueue', () => {
  it('keeps the pair on the screen and puts the others behind it', () => {
    const queue = new PairQueue(vi.fn());
    queue.receive(answer(3, 4));
    queue.receive(answer(1, 2, 3, 4, 5));
    expect(shown(queue)).toEqual([3, 1, 2, 4, 5]);
  });

  it('does not show again what was taken, though the server still lists it', () => {
    const queue = new PairQueue(vi.fn());
    queue.receive(answer(1, 2, 3));
    expect(queue.take(1)).toBe(true);
    queue.receive(answer(1, 2, 3));
    expect(shown(queue)).toEqual([2, 3]);
  });

  it('takes a pair once', () => {
    const queue = new PairQueue(vi.fn());
    queue.receive(answer(1));
    expect([queue.take(1), queue.take(1)]).toEqual([true, false]);
  });

  it('shows a pair again that was given back', () => {
    const queue = new PairQueue(vi.fn());
    queue.receive(answer(1));
    queue.take(1);
    queue.giveBack(1);
    queue.receive(answer(1));
    expect(shown(queue)).toEqual([1]);
  });

  it('is exhausted only once the server lists nothing at all', () => {
    const queue = new PairQueue(vi.fn());
    queue.receive(answer(1));
    queue.take(1);
    queue.receive(answer(1));
    expect(queue.getSnapshot()).toMatchObject({ pairs: [], isExhausted: false });
    queue.receive(answer());
    expect(queue.getSnapshot().isExhausted).toBe(true);
  });

  it('tops up when fewer than three lie behind the one on the screen', async () => {
    const fetchNext = vi.fn(async () => answer(1, 2, 3, 4, 5));
    const queue = new PairQueue(fetchNext);
    queue.receive(answer(1, 2, 3, 4, 5));
    queue.take(1);
    await queue.topUp();
    expect(fetchNext).not.toHaveBeenCalled();
    queue.take(2);
    await queue.topUp();
    expect(fetchNext).toHaveBeenCalledOnce();
  });

  it('does not ask for more when the last answer was short, until the last pair is gone', async () => {
    const fetchNext = vi.fn(async () => answer());
    const queue = new PairQueue(fetchNext);
    queue.receive(answer(1, 2));
    await queue.topUp();
    expect(fetchNext).not.toHaveBeenCalled();
    queue.take(1);
    queue.take(2);
    await queue.topUp();
    expect(fetchNext).toHaveBeenCalledOnce();
  });

  it('asks once more when asked while an answer is on its way', async () => {
    const fetchNext = vi.fn(async () => answer(1));
    const queue = new PairQueue(fetchNext);
    await Promise.all([queue.refill(), queue.refill(), queue.refill()]);
    expect(fetchNext).toHaveBeenCalledTimes(2);
  });

  it('remembers why it could not load, until it can', async () => {
    const fetchNext = vi.fn(async () => answer(1)).mockRejectedValueOnce(new Error('no'));
    const queue = new PairQueue(fetchNext);
    await queue.refill();
    expect(queue.getSnapshot()).toMatchObject({ error: new Error('no'), isLoading: false });
    await queue.refill();
    expect(queue.getSnapshot()).toMatchObject({ error: null, isLoading: false });
  });
});
