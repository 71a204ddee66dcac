import { describe, expect, it } from 'vitest';
import { ActiveTime } from './activeTime';

function meter(isVisible = true) {
  const clock = { ms: 0 };
  return { clock, time: new ActiveTime(() => clock.ms, isVisible, 30_000) };
}

describe('ActiveTime', () => {
  it('counts from the start while somebody is there', () => {
    const { clock, time } = meter();
    clock.ms = 12_345.6;
    expect(time.elapsed()).toBe(12_346);
  });

  it('adds up over signs of life', () => {
    const { clock, time } = meter();
    clock.ms = 20_000;
    time.stir();
    clock.ms = 45_000;
    expect(time.elapsed()).toBe(45_000);
  });

  it('stops thirty seconds after the last sign of life', () => {
    const { clock, time } = meter();
    clock.ms = 10_000;
    time.stir();
    clock.ms = 600_000;
    expect(time.elapsed()).toBe(40_000);
  });

  it('goes on when they come back, without the time they were away', () => {
    const { clock, time } = meter();
    clock.ms = 600_000;
    time.stir();
    clock.ms = 605_000;
    expect(time.elapsed()).toBe(35_000);
  });

  it('does not count a hidden tab, nor stirring in it', () => {
    const { clock, time } = meter();
    clock.ms = 5_000;
    time.setVisible(false);
    clock.ms = 15_000;
    time.stir();
    clock.ms = 25_000;
    time.setVisible(true);
    clock.ms = 27_000;
    expect(time.elapsed()).toBe(7_000);
  });

  it('counts nothing when it starts in a hidden tab', () => {
    const { clock, time } = meter(false);
    clock.ms = 9_000;
    expect(time.elapsed()).toBe(0);
  });

  it('never runs backwards with the clock', () => {
    const { clock, time } = meter();
    clock.ms = -5_000;
    expect(time.elapsed()).toBe(0);
  });
});
