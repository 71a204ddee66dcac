import { expect, it } from 'vitest';
import { effectOf, EMPTY, fullTint, isComplete, nextRole, ranks, strongestFirst } from './playground';

const sentences = [-0.1, 0.4, null, -1.5].map((change, place) => ({ text: `Sentence ${place}. `, change }));

it('is complete when every field has a text', () => {
  expect(isComplete(EMPTY)).toBe(false);
  const texts = { messages: [{ role: 'user', content: 'Why?' }], completions: ['Because.', ' '] };
  expect(isComplete(texts)).toBe(false);
  expect(isComplete({ ...texts, completions: ['Because.'] })).toBe(true);
});

it('gives turns to user and assistant by turns', () => {
  expect(nextRole([{ role: 'user', content: '' }])).toBe('assistant');
  expect(nextRole([{ role: 'assistant', content: '' }])).toBe('user');
  expect(nextRole([{ role: 'system', content: '' }])).toBe('user');
});

it('ranks rewards from the highest, equal ones alike', () => {
  expect(ranks([0.5, -1, 2, 0.5])).toEqual([2, 4, 1, 2]);
  expect(ranks([])).toEqual([]);
});

it('tints in full what moves the reward the most, and pales where nothing moves it', () => {
  expect(fullTint([{ sentences: sentences.slice(0, 2) }, { sentences }])).toBe(1.5);
  expect(fullTint([{ sentences: [{ text: 'One.', change: 0.01 }] }])).toBe(0.2);
  expect(fullTint([])).toBe(0.2);
});

it('says whether a sentence carries the reward or drags it down', () => {
  expect(sentences.map(({ change }) => effectOf(change))).toEqual(['carries', 'drags', 'none', 'carries']);
  expect(effectOf(-0.004)).toBe('none');
});

it('puts the strongest sentences first', () => {
  expect(strongestFirst(sentences)).toEqual([3, 1, 0, 2]);
});
