import { describe, expect, it } from 'vitest';
import {
  blocksIn, bucketText, byAge, calibration, calibrationError, continuedFrom, csvOf, differencesBySlice, evaluations, forgetting, hardErrors, lossIn, numberAt,
  replayed, rewardHistogram, slices, statAt,
} from './report';

const stat = { value: 0.7, low: 0.6, high: 0.8, n: 40, too_few: false };

describe('an evaluation report', () => {
  it('of format 1 gives the slices it has', () => {
    const report = { by_intensity: [{ bucket: '3', accuracy: stat }, { bucket: 4 }], by_length: [] };
    const [group, ...others] = slices(report);
    expect(others).toEqual([]);
    expect(group).toMatchObject({ name: 'intensity', title: 'Accuracy by intensity', heading: 'Intensity' });
    expect(group?.rows).toEqual([{ bucket: '3', accuracy: stat, predicted: null, log_loss: null }]);
  });

  it('of format 2 gives its slices in place of the old ones', () => {
    const row = { bucket: 2, accuracy: stat, predicted: 0.66, log_loss: 0.5 };
    const report = { by_intensity: [{ bucket: '1', accuracy: stat }], slices: { intensity: [row], batch: [{ ...row, bucket: '0' }], axis: [] } };
    expect(slices(report).map(({ name, rows }) => [name, rows.map(({ bucket, predicted }) => [bucket, predicted])])).toEqual([
      ['intensity', [['2', 0.66]]],
      ['batch', [['0', 0.66]]],
    ]);
  });

  it('names its slices by the scale of the project', () => {
    expect(bucketText('2', 'intensity', ['much better', 'better', 'unsure'])).toBe('2: better');
    expect(bucketText('4', 'intensity', ['better', 'unsure'])).toBe('4');
    expect(bucketText('unknown', 'intensity', ['better', 'unsure'])).toBe('unknown');
    expect(bucketText('1.0', 'agreement', [])).toBe('all agree');
    expect(bucketText('0', 'batch', [])).toBe('not asked for by a round');
    expect(bucketText('', 'language', [])).toBe('unknown');
    expect(bucketText('sft · early_policy', 'source_pair', [])).toBe('sft · early policy');
  });

  it('of another version breaks nothing', () => {
    for (const report of [{}, { by_length: 'x', calibration: 3, training: [], slices: [], errors: {}, rewards: { chosen: { histogram: 1 } } }]) {
      expect([slices(report), calibration(report), evaluations(report), hardErrors(report), rewardHistogram(report)]).toEqual([[], [], [], [], []]);
      expect(numberAt(report, 'a', 'b')).toBeNull();
      expect([calibrationError(report), forgetting(report)]).toEqual([null, null]);
    }
  });

  it('finds numbers where they are', () => {
    const report = { length_correlation: { within_comparison: 0.2 }, advantage: { longer: stat }, training: { forgetting: { before: 3.1, after: 3.4 } } };
    expect(numberAt(report, 'length_correlation', 'within_comparison')).toBe(0.2);
    expect(statAt(report, 'advantage', 'longer')).toEqual(stat);
    expect(statAt(report, 'advantage', 'always_a')).toBeNull();
    expect(forgetting(report)).toEqual({ before: 3.1, after: 3.4 });
  });

  it('has the calibration error with or without an interval', () => {
    expect(calibrationError({ calibration: { ece: 0.05, bins: [] } })).toEqual({ value: 0.05, low: null, high: null });
    expect(calibrationError({ calibration: { ece: { ...stat, value: 0.05, low: 0.02, high: 0.09 } } })).toEqual({ value: 0.05, low: 0.02, high: 0.09 });
    expect(calibrationError({ calibration: { ece: 0.05, low: 0.02, high: 0.09 } })).toEqual({ value: 0.05, low: 0.02, high: 0.09 });
  });

  it('puts both sides’ rewards on common bins without losing any', () => {
    const rewards = { chosen: { histogram: { edges: [0, 1, 2], counts: [1, 3] } }, rejected: { histogram: { edges: [-2, 0], counts: [5] } } };
    const rows = rewardHistogram({ rewards }, 4);
    expect(rows.map(({ reward }) => reward)).toEqual([-1.5, -0.5, 0.5, 1.5]);
    expect(rows.map(({ chosen }) => chosen)).toEqual([0, 0, 0.25, 0.75]);
    expect(rows.map(({ rejected }) => rejected)).toEqual([0.5, 0.5, 0, 0]);
  });
});

it('reads the differences of two models by slice', () => {
  const difference = { ...stat, value: 0.1, low: -0.05, high: 0.25 };
  const [group] = differencesBySlice({ slices: { language: [{ bucket: 'de', difference }, { bucket: 'en' }] } });
  expect(group?.rows).toEqual([{ bucket: 'de', difference }]);
});

describe('beside the model in use', () => {
  it('reads how the two do on old and on new comparisons', () => {
    const difference = { ...stat, value: -0.1, low: -0.2, high: -0.01 };
    const slice = { n: 40, accuracy: { ...stat, value: 0.8 }, own_accuracy: stat, difference };
    expect(byAge({ incumbent: { fresh: slice, earlier: slice } })).toEqual([
      { name: 'earlier', own: stat, theirs: { ...stat, value: 0.8 }, difference },
      { name: 'fresh', own: stat, theirs: { ...stat, value: 0.8 }, difference },
    ]);
    const none = { value: null, low: null, high: null, n: 0, too_few: true };
    const empty = { n: 0, accuracy: none, own_accuracy: none, difference: none };
    expect(byAge({ incumbent: { earlier: slice, fresh: empty } }).map(({ name }) => name)).toEqual(['earlier']);
    expect([byAge({ incumbent: { earlier: null } }), byAge({ incumbent: null }), byAge({})]).toEqual([[], [], []]);
  });

  it('reads from which version it goes on', () => {
    expect(continuedFrom({ continued_from: { id: 7, version: 3 } })).toEqual({ id: 7, version: 3 });
    expect([continuedFrom({}), continuedFrom({ continued_from: null })]).toEqual([null, null]);
    expect(replayed({ training: { replay: { n_new: 1200, n_replayed: 600, n_earlier: 5000 } } })).toEqual({ new: '1,200', again: '600', earlier: '5,000' });
    expect([replayed({}), replayed({ training: { replay: null } })]).toEqual([null, null]);
  });
});

it('reads the loss of a training that runs', () => {
  expect(lossIn('loss 0.612, 40 comparisons/s, ETA 3 min')).toBe(0.612);
  expect(lossIn('member 1 (1 of 3): train, loss 0.612, 40 comparisons/s')).toBe(0.612);
  expect(lossIn('validation loss 0.612, accuracy 61.0%')).toBeNull();
  expect(lossIn('loss 4.21, 1,428 tokens/s, ETA 2 min')).toBeNull();
  expect(lossIn('')).toBeNull();
});

it('reads what blocks a promotion from the refusal', () => {
  expect(blocksIn({ code: 'promotion_blocked', blocks: [{ code: 'coin_toss', message: 'Too few.' }, 3] })).toEqual([{ code: 'coin_toss', message: 'Too few.' }]);
  expect(blocksIn({})).toEqual([]);
});

it('writes CSV that holds what it was given', () => {
  expect(csvOf(['bucket', 'n'], [['a "b", c', 1], ['=1+1', null], ['x', -0.5]])).toBe('bucket,n\r\n"a ""b"", c",1\r\n\'=1+1,\r\nx,-0.5\r\n');
});
