import { describe, expect, it } from 'vitest';
import type { StageState } from '@/lib/api/types';
import { label, nOver } from './stages';

const stages = (...states: StageState[]) =>
  states.map((state) => ({ name: 'train', state, started_at: null, finished_at: null, summary: '' }));

describe('stages', () => {
  it('counts those that are over up to the first that is not', () => {
    expect(nOver(stages('succeeded', 'skipped', 'running', 'pending'))).toBe(2);
    expect(nOver(stages('failed', 'succeeded'))).toBe(0);
    expect(nOver(stages('succeeded', 'succeeded'))).toBe(2);
  });

  it('names a stage it does not know as it is', () => {
    expect(label('train')).toBe('Training');
    expect(label('new')).toBe('new');
  });
});
