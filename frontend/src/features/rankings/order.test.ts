import { describe, expect, it } from 'vitest';
import type { Tiers } from '@/lib/api/types';
import { cardsOf, drawn, inLetters, isTied, letterOf, moveTo, placeOf, putAt, sharing, step, toggleTie } from './order';

/** "CA=BD" style, for reading: "C A=B D". */
const read = (text: string): Tiers =>
  text.split(' ').map((tier) => tier.split('=').map((letter) => letter.charCodeAt(0) - 65));
const write = (tiers: Tiers) => tiers.map((tier) => tier.map(letterOf).join('=')).join(' ');

it('begins as the cards were drawn', () => {
  expect(write(drawn(4))).toBe('A B C D');
  expect(drawn(9)).toHaveLength(9);
});

it('says who stands where', () => {
  const tiers = read('C A=B D');
  expect(cardsOf(tiers)).toEqual([2, 0, 1, 3]);
  expect([2, 0, 1, 3].map((card) => placeOf(tiers, card))).toEqual([1, 2, 2, 3]);
  expect([2, 0, 1, 3].map((card) => isTied(tiers, card))).toEqual([false, false, true, false]);
  expect(sharing(tiers, 0)).toEqual([1]);
  expect(sharing(tiers, 3)).toEqual([]);
  expect(inLetters(tiers)).toBe('C > A = B > D');
});

describe('a step', () => {
  it.each([
    ['A B C', 'B', -1, 'B A C'],
    ['A B C', 'B', 1, 'A C B'],
    ['A B C', 'A', -1, 'A B C'],
    ['A B C', 'C', 1, 'A B C'],
    // Out of a shared place first.
    ['A B=C=D', 'C', -1, 'A C B=D'],
    ['A=B=C D', 'B', 1, 'A=C B D'],
    ['A=B', 'A', -1, 'A B'],
    // Then past all of one.
    ['A=B C', 'C', -1, 'C A=B'],
    ['A B=C D', 'A', 1, 'B=C A D'],
  ] as const)('%s, %s by %s: %s', (before, letter, by, after) => {
    expect(write(step(read(before), letter.charCodeAt(0) - 65, by))).toBe(after);
  });

  it('up and down again is no change, for cards with a place of their own', () => {
    const tiers = read('A B=C D E');
    for (const card of [3, 4]) expect(step(step(tiers, card, -1), card, 1)).toEqual(tiers);
  });
});

describe('a tie', () => {
  it.each([
    ['A B C', 'B', 'A=B C'],
    ['A=B C', 'B', 'A B C'],
    ['A=B C', 'C', 'A=B=C'],
    ['A B=C', 'B', 'A=B=C'],
    ['A=B=C', 'B', 'A B=C'],
    ['A=B=C', 'C', 'A=B C'],
    ['A B C', 'A', 'A B C'],
  ])('%s, %s: %s', (before, letter, after) => {
    expect(write(toggleTie(read(before), letter.charCodeAt(0) - 65))).toBe(after);
  });
});

describe('a place', () => {
  it.each([
    ['A B C D', 'D', 1, 'D A B C'],
    ['A B C D', 'A', 3, 'B C A D'],
    ['A B C D', 'B', 2, 'A B C D'],
    ['A B=C D', 'C', 2, 'A C B D'],
    ['A B=C D', 'D', 2, 'A D B=C'],
    // There are fewer places than cards where some share one.
    ['A B=C D', 'A', 4, 'B=C D A'],
    ['A=B=C', 'B', 1, 'B A=C'],
  ] as const)('%s, %s to %s: %s', (before, letter, place, after) => {
    expect(write(putAt(read(before), letter.charCodeAt(0) - 65, place))).toBe(after);
  });
});

describe('a drop', () => {
  it.each([
    ['A B C D', 'A', 2, 'B C A D'],
    ['A B C D', 'D', 0, 'D A B C'],
    ['A B C D', 'B', 3, 'A C D B'],
    ['A B C', 'B', 1, 'A B C'],
    // Between two that share a place.
    ['A=B C', 'C', 1, 'A=C=B'],
    ['A=B C', 'C', 0, 'C A=B'],
    ['A B=C D', 'A', 1, 'B=A=C D'],
    ['A B=C D', 'A', 2, 'B=C A D'],
    // Out of a shared place.
    ['A=B C D', 'A', 3, 'B C D A'],
    ['A=B=C', 'B', 0, 'B A=C'],
  ] as const)('%s, %s to %s: %s', (before, letter, index, after) => {
    expect(write(moveTo(read(before), letter.charCodeAt(0) - 65, index))).toBe(after);
  });
});

it('keeps every card once, whatever is done', () => {
  let tiers = drawn(9);
  // A walk that repeats itself: no chance in tests.
  for (let n = 0; n < 500; n += 1) {
    const card = (n * 7) % 9;
    const what = (n * 3) % 5;
    if (what === 0) tiers = step(tiers, card, -1);
    if (what === 1) tiers = step(tiers, card, 1);
    if (what === 2) tiers = toggleTie(tiers, card);
    if (what === 3) tiers = moveTo(tiers, card, (n * 11) % 9);
    if (what === 4) tiers = putAt(tiers, card, (n * 11) % 10);
    expect(cardsOf(tiers).toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(tiers.every((tier) => tier.length > 0)).toBe(true);
  }
});
