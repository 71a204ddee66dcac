/** The playground's arithmetic: ranks, tints, and what is asked. */

import type { Message, PlaygroundRewards, Sentence } from '@/lib/api/types';

export interface Texts {
  messages: Message[];
  completions: string[];
}

export const EMPTY: Texts = { messages: [{ role: 'user', content: '' }], completions: ['', ''] };

/** Whether there is something in every field. */
export function isComplete({ messages, completions }: Texts): boolean {
  return [...messages.map(({ content }) => content), ...completions].every((text) => text.trim() !== '');
}

/** Who speaks after the last turn. */
export function nextRole(messages: Message[]): string {
  return messages.at(-1)?.role === 'user' ? 'assistant' : 'user';
}

/** 1 for the highest reward; equal rewards share a rank. */
export function ranks(rewards: number[]): number[] {
  return rewards.map((reward) => 1 + rewards.filter((other) => other > reward).length);
}

// Differences of rewards are log odds: 0.2 is a preference of 55 : 45. Where nothing moves the reward by that much, the
// tints stay pale.
const FULL_TINT_AT_LEAST = 0.2;

/** The change of the reward that is tinted in full. */
export function fullTint(completions: { sentences: Sentence[] }[]): number {
  const changes = completions.flatMap(({ sentences }) => sentences.map(({ change }) => Math.abs(change ?? 0)));
  return Math.max(FULL_TINT_AT_LEAST, ...changes);
}

export type Effect = 'carries' | 'drags' | 'none';

/** A sentence without which the reward falls carries it; one without which it rises drags it down. */
export function effectOf(change: number | null, digits = 2): Effect {
  if (change === null || Number(Math.abs(change).toFixed(digits)) === 0) return 'none';
  return change < 0 ? 'carries' : 'drags';
}

/** Places of the sentences, those that move the reward the most first. */
export function strongestFirst(sentences: Sentence[]): number[] {
  return sentences.map((_, place) => place).toSorted((a, b) => Math.abs(sentences[b]?.change ?? 0) - Math.abs(sentences[a]?.change ?? 0));
}

/** The models that have answered. */
export function answering(rows: PlaygroundRewards[]): PlaygroundRewards[] {
  return rows.filter(({ error }) => error === null);
}
