import { describe, expect, it } from 'vitest';
import type { ComparisonDetail } from '@/lib/api/types';
import { hasRated, intensityLabel, verdict } from './words';

const LABELS = ['significantly better', 'better', 'slightly better', 'unsure'];

describe('verdicts in words', () => {
  it('count intensity from the weakest', () => {
    expect(intensityLabel(LABELS, 1)).toBe('unsure');
    expect(intensityLabel(LABELS, 4)).toBe('significantly better');
    expect(intensityLabel(['better'], 1)).toBe('better');
    expect(intensityLabel(LABELS, null)).toBe('');
    expect(intensityLabel(['better'], 3)).toBe('level 3');
  });

  it('name the side', () => {
    expect(verdict(LABELS, 'b', 3)).toBe('B better');
    expect(verdict(LABELS, 'a', null)).toBe('A better');
    expect(verdict(LABELS, 'tie', null)).toBe('Tie');
    expect(verdict(LABELS, 'invalid', null)).toBe('Not a valid comparison');
  });
});

describe('who may settle', () => {
  const comparison = { ratings: [{ labeller: { pseudonym: 'L-01' }, is_superseded: true }] } as ComparisonDetail;

  it('is nobody who rated, corrected ratings included', () => {
    expect(hasRated(comparison, 'L-01')).toBe(true);
    expect(hasRated(comparison, 'L-02')).toBe(false);
  });
});
