import { describe, expect, it } from 'vitest';
import type { StageState } from '@/lib/api/types';
import { label, lastBegun, pollEvery, STAGES, triggerWords, waitingAt } from './stages';

const stages = (...states: StageState[]) =>
  states.map((state, at) => ({
    name: Object.keys(STAGES)[at] ?? '', state, started_at: null, finished_at: null, summary: '', can_edit: false, can_skip: false, can_restore: false,
  }));

describe('stages', () => {
  it('light up to the one that runs, waits or failed', () => {
    expect(lastBegun(stages('succeeded', 'skipped', 'running', 'pending'))).toBe(2);
    expect(lastBegun(stages('succeeded', 'waiting', 'skipped', 'pending'))).toBe(1);
    expect(lastBegun(stages('failed', 'pending'))).toBe(0);
    expect(lastBegun(stages('pending', 'skipped', 'pending'))).toBe(-1);
    expect(lastBegun(stages('succeeded', 'succeeded'))).toBe(1);
  });

  it('have names, and one that is not known is shown as it is', () => {
    expect(Object.keys(STAGES)).toEqual(['drift', 'candidates', 'sample', 'label', 'export', 'base', 'train', 'evaluate', 'promote', 'swap']);
    expect(label('train')).toBe('Training');
    expect(label('new')).toBe('new');
  });

  it('are looked at often while they work, seldom while people are waited for, and then no more', () => {
    expect([pollEvery('running'), pollEvery('waiting'), pollEvery('failed'), pollEvery(undefined)]).toEqual([2_000, 10_000, false, false]);
    const waits = stages('succeeded', 'skipped', 'succeeded', 'waiting', 'pending');
    expect(waitingAt({ state: 'waiting', stages: waits })?.name).toBe('label');
    // Cancelled while it waited: nobody is waited for any more.
    expect(waitingAt({ state: 'cancelled', stages: waits })).toBeUndefined();
  });

  it('say what started them', () => {
    expect(triggerWords({ trigger: 'hand', trigger_reason: '' })).toBe('by hand');
    expect(triggerWords({ trigger: 'drift', trigger_reason: 'report 3 finds strong drift' })).toBe('by drift: report 3 finds strong drift');
  });
});
