import { describe, expect, it } from 'vitest';
import { ratingsOf } from '@/lib/links';
import { filtersOf, filterWords, withFilter } from './filters';

const NAMES = {
  project: { intensity_labels: ['much better', 'better'], bucket_labels: ['both safe'] },
  slices: new Map([['source:3-7', 'sft · early']]),
  labellers: new Map([['12', 'L-12']]),
};

describe('the filters of ratings', () => {
  it('are what the address has of them, and go back into it', () => {
    const query = new URLSearchParams('labeller=12&from=2026-11-23&nonsense=1&tag=');
    expect(filtersOf(query)).toEqual({ labeller: '12', from: '2026-11-23' });
    expect(ratingsOf('p', { labeller: 12, from: '2026-11-23' })).toBe('/projects/p/ratings?labeller=12&from=2026-11-23');
    expect(ratingsOf('p')).toBe('/projects/p/ratings');
  });

  it('are changed and removed one at a time, beside whatever else there is', () => {
    const query = new URLSearchParams('agreement=split&labeller=12');
    expect(withFilter(query, 'agreement', 'majority').toString()).toBe('agreement=majority&labeller=12');
    expect(withFilter(query, 'labeller', '').toString()).toBe('agreement=split');
    expect(query.toString()).toBe('agreement=split&labeller=12');
  });

  it('read as words', () => {
    expect(filterWords('labeller', '12', NAMES)).toBe('Labeller: L-12');
    expect(filterWords('with', '99', NAMES)).toBe('also rated by 99');
    expect(filterWords('from', '2026-11-23', NAMES)).toBe('from Nov 23, 2026');
    expect(filterWords('to', 'soon', NAMES)).toBe('until soon');
    expect(filterWords('version', '0', NAMES)).toBe('no guidelines read');
    expect(filterWords('intensity', '2', NAMES)).toBe('Intensity: much better');
    expect(filterWords('source', '3-7', NAMES)).toBe('Completion sources: sft · early');
    expect(filterWords('agreement', 'split', NAMES)).toBe('Comparisons: split');
  });
});
