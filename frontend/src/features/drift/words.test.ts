import { describe, expect, it } from 'vitest';
import { binLabels, kindOf, nameOf, pText, shown } from './words';

describe('the words of a drift report', () => {
  it('names bins by their bounds', () => {
    expect(binLabels([10, 20, 30], 0)).toEqual(['up to 10', '10 to 20', '20 to 30', 'above 30']);
  });

  it('has one bin where there is no edge', () => {
    expect(binLabels([], 0)).toEqual(['all']);
  });

  it('shows a share in per cent and a distance with its digits', () => {
    expect(shown('outliers', 0.125)).toBe('12.5\u00a0%');
    expect(shown('mmd', 0.00314)).toBe('0.0031');
    expect(shown('classifier', 0.8)).toBe('0.80');
  });

  it('does not write a p-value of 0', () => {
    expect([pText(0.0002), pText(0.02), pText(null)]).toEqual(['< 0.001', '0.020', '–']);
  });

  it('leaves what it does not know as it is', () => {
    expect(nameOf({ name: 'another' })).toBe('another');
    expect(kindOf('another')).toBe('another');
  });
});
