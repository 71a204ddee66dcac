import { describe, expect, it } from 'vitest';
import type { StageState } from '@/lib/api/types';
import { label, lastBegun } from './stages';

const stages = (...states: StageState[]) =>
  states.map((state) => ({ name: 'train', state, started_at: null, finished_at: null, summary: '' }));

describe('stages', () => {
  it('light up to the one that runs or failed', () => {
    expect(lastBegun(stages('succeeded', 'skipped', 'running', 'pending'))).toBe(2);
    expect(lastBegun(stages('failed', 'pending'))).toBe(0);
    expect(lastBegun(stages('pending', 'pending'))).toBe(-1);
    expect(lastBegun(stages('succeeded', 'succeeded'))).toBe(1);
  });

  it('names a stage it does not know as it is', () => {
    expect(label('train')).toBe('Training');
    expect(label('new')).toBe('new');
  });
});
