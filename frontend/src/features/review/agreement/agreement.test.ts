import { describe, expect, it } from 'vitest';
import type { Slice, Stat, VersionChange } from '@/lib/api/types';
import { effectWords } from './effect';
import { dimensionOf, shown, sliceFilter, sliceLabel } from './slices';

const stat = (value: number | null, low: number | null = null, high: number | null = null): Stat => ({ value, low, high, n: 200, too_few: value === null });
const change = (verdict: VersionChange['verdict'], difference: Stat): VersionChange => ({ previous: 1, difference, verdict });

describe('the effect of a version', () => {
  it('is how many points lower or higher, without a sign and the smaller first', () => {
    expect(effectWords(change('lower', stat(-0.06, -0.1, -0.02)))).toBe('lower by 6 points (2 to 10)');
    expect(effectWords(change('higher', stat(0.08, 0.03, 0.13)))).toBe('higher by 8 points (3 to 13)');
  });

  it('has a decimal where the interval is narrow', () => {
    expect(effectWords(change('lower', stat(-0.021, -0.034, -0.008)))).toBe('lower by 2.1 points (0.8 to 3.4)');
  });

  it('cannot be told where it may be a fall or a rise', () => {
    expect(effectWords(change('unclear', stat(-0.02, -0.09, 0.05)))).toBe('cannot be told (−9 to +5 points)');
    expect(effectWords(change('unclear', stat(-0.03, -0.07, 0.001)))).toBe('cannot be told (−7 to 0 points)');
  });

  it('is not told from too few, nor of the first', () => {
    expect(effectWords(change('too_few', stat(null)))).toBe('too few ratings to tell');
    expect(effectWords(null)).toBe('–');
  });
});

const PROJECT = { intensity_labels: ['much better', 'better', 'unsure'], bucket_labels: ['both safe', 'neither'] };
const slice = (dimension: Slice['dimension'], key: string, label = '') => ({ dimension, key, label });

describe('slices', () => {
  it('are called as the project and the reader call them', () => {
    expect(sliceLabel(slice('intensity', '1'), PROJECT)).toBe('unsure');
    expect(sliceLabel(slice('intensity', '0'), PROJECT)).toBe('Tie');
    expect(sliceLabel(slice('bucket', '1', 'Bucket 1'), PROJECT)).toBe('neither');
    expect(sliceLabel(slice('language', 'de'), PROJECT)).toBe('German');
    expect(sliceLabel(slice('language', 'not a language'), PROJECT)).toBe('not a language');
    expect(sliceLabel(slice('source', '3-7', 'sft · policy 12'), PROJECT)).toBe('sft · policy 12');
    expect(sliceLabel(slice('length', '2x', '2× longer'), PROJECT)).toBe('2× to 4× as long');
    expect(sliceLabel(slice('tag', ''), PROJECT)).toBe('without a tag');
  });

  it('open their own ratings', () => {
    expect(sliceFilter(slice('tag', 'code'))).toEqual({ tag: 'code' });
  });

  it('are filtered by a dimension that there is, and keep their order', () => {
    const slices = [slice('tag', 'x'), slice('language', 'en'), slice('tag', 'y')] as Slice[];
    expect(shown(slices, dimensionOf('tag')).map(({ key }) => key)).toEqual(['x', 'y']);
    expect(shown(slices, dimensionOf('nonsense'))).toHaveLength(3);
    expect(shown(slices, dimensionOf(null))).toHaveLength(3);
    expect(shown([...slices, { dimension: 'of a later server' } as unknown as Slice], null)).toHaveLength(3);
  });
});
