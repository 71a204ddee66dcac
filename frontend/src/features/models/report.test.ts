import { describe, expect, it } from 'vitest';
import { bucketText, calibration, evaluations, numberAt, slices, statAt } from './report';

const stat = { value: 0.7, low: 0.6, high: 0.8, n: 40, too_few: false };

describe('an evaluation report', () => {
  it('gives the slices it has', () => {
    const report = { by_intensity: [{ bucket: '3', accuracy: stat }, { bucket: 4 }], by_length: [] };
    expect(slices(report)).toEqual([{ title: 'By intensity', heading: 'Intensity', rows: [{ bucket: '3', accuracy: stat }] }]);
  });

  it('names its slices by the scale of the project', () => {
    expect(bucketText('2', 'By intensity', ['much better', 'better', 'unsure'])).toBe('2: better');
    expect(bucketText('4', 'By intensity', ['better', 'unsure'])).toBe('4');
    expect(bucketText('unknown', 'By intensity', ['better', 'unsure'])).toBe('unknown');
    expect(bucketText('1.0', 'By agreement', [])).toBe('all agree');
  });

  it('of another version breaks nothing', () => {
    for (const report of [{}, { by_length: 'x', calibration: 3, training: [] }]) {
      expect([slices(report), calibration(report), evaluations(report)]).toEqual([[], [], []]);
      expect(numberAt(report, 'a', 'b')).toBeNull();
    }
  });

  it('finds numbers where they are', () => {
    const report = { length_correlation: { within_comparison: 0.2 }, advantage: { longer: stat } };
    expect(numberAt(report, 'length_correlation', 'within_comparison')).toBe(0.2);
    expect(statAt(report, 'advantage', 'longer')).toEqual(stat);
    expect(statAt(report, 'advantage', 'always_a')).toBeNull();
  });
});
