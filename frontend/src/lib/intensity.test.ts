import { describe, expect, it } from 'vitest';
import { choicesOf, verdictOf } from './intensity';

const LABELS = ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'];
const rows = (labels: string[], tiesAllowed = false) =>
  choicesOf(labels, tiesAllowed).map((choice) => [choice.keyName, choice.preferred, choice.intensity, choice.label]);

describe('choicesOf', () => {
  it('has two answers for one level', () => {
    expect(rows(['better'])).toEqual([
      ['1', 'first', 1, 'A better'],
      ['2', 'second', 1, 'B better'],
    ]);
  });

  it('has four answers for two levels', () => {
    expect(rows(['much better', 'better'])).toEqual([
      ['1', 'first', 2, 'A much better'],
      ['2', 'first', 1, 'A better'],
      ['3', 'second', 1, 'B better'],
      ['4', 'second', 2, 'B much better'],
    ]);
  });

  it('has six answers for three levels', () => {
    expect(rows(['x', 'y', 'z'])).toEqual([
      ['1', 'first', 3, 'A x'],
      ['2', 'first', 2, 'A y'],
      ['3', 'first', 1, 'A z'],
      ['4', 'second', 1, 'B z'],
      ['5', 'second', 2, 'B y'],
      ['6', 'second', 3, 'B x'],
    ]);
  });

  it('has eight answers for four levels', () => {
    expect(rows(LABELS)).toEqual([
      ['1', 'first', 4, 'A significantly better'],
      ['2', 'first', 3, 'A better'],
      ['3', 'first', 2, 'A slightly better'],
      ['4', 'first', 1, 'A negligibly better or unsure'],
      ['5', 'second', 1, 'B negligibly better or unsure'],
      ['6', 'second', 2, 'B slightly better'],
      ['7', 'second', 3, 'B better'],
      ['8', 'second', 4, 'B significantly better'],
    ]);
  });

  it('puts a tie in the middle, without intensity, where the project allows it', () => {
    expect(rows(['better'], true)).toEqual([
      ['1', 'first', 1, 'A better'],
      ['T', 'tie', null, 'Tie'],
      ['2', 'second', 1, 'B better'],
    ]);
  });
});

describe('verdictOf', () => {
  it.each([
    ['first', 4, 'A significantly better'],
    ['second', 1, 'B negligibly better or unsure'],
    ['tie', null, 'Tie'],
    ['first', null, 'A preferred'],
  ] as const)('says %s %s as %s', (preferred, intensity, text) => {
    expect(verdictOf({ preferred, intensity }, LABELS)).toBe(text);
  });

  it('says every choice by its own label', () => {
    const choices = choicesOf(LABELS, true);
    expect(choices.map((choice) => verdictOf(choice, LABELS))).toEqual(choices.map((choice) => choice.label));
  });
});
