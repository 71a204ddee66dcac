/** What differs between two versions of the guidelines. */

import { diffLines, diffWordsWithSpace } from 'diff';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';

export type Change = 'same' | 'added' | 'removed';

export interface Part {
  change: Change;
  text: string;
}

/** Lines that are all the same, added or removed; or a passage in which words differ. */
export type Block = { change: Change; lines: string[] } | { change: 'words'; parts: Part[] };

export type Grain = 'words' | 'lines';

/** Beyond this a comparison word by word keeps the page from answering; whole lines are shown instead. */
const PATIENCE_MS = 400;

const changeOf = ({ added, removed }: { added: boolean; removed: boolean }): Change =>
  added ? 'added' : removed ? 'removed' : 'same';

const linesOf = (text: string): string[] => text.replace(/\n$/, '').split('\n');

/** The words that differ between two texts; null where that takes too long. */
export function wordParts(before: string, after: string): Part[] | null {
  const found = diffWordsWithSpace(before, after, { timeout: PATIENCE_MS });
  return found?.map((part) => ({ change: changeOf(part), text: part.value })) ?? null;
}

/** The text in order, with what was removed before what took its place. */
export function textBlocks(before: string, after: string, grain: Grain): Block[] {
  const ended = (text: string) => (text.endsWith('\n') ? text : `${text}\n`);
  const blocks: Block[] = [];
  const parts = diffLines(ended(before), ended(after));
  for (let at = 0; at < parts.length; at += 1) {
    const [part, next] = [parts[at], parts[at + 1]];
    if (!part) continue;
    if (grain === 'words' && part.removed && next?.added) {
      const words = wordParts(part.value.replace(/\n$/, ''), next.value.replace(/\n$/, ''));
      if (words) {
        blocks.push({ change: 'words', parts: words });
        at += 1;
        continue;
      }
    }
    blocks.push({ change: changeOf(part), lines: linesOf(part.value) });
  }
  return blocks;
}

/** One worked example in both versions, or in one of them alone. Numbers count from 1, as on the screen. */
export interface ExamplePair {
  before: { number: number; example: WorkedExample } | null;
  after: { number: number; example: WorkedExample } | null;
}

function alike(one: WorkedExample, other: WorkedExample): number {
  const fields = ['prompt', 'completion_a', 'completion_b'] as const;
  return fields.filter((field) => one[field] === other[field]).length;
}

/** Which example became which: the ones that share most of their texts; then what was added and removed. */
export function pairExamples(before: readonly WorkedExample[], after: readonly WorkedExample[]): ExamplePair[] {
  const candidates = before.flatMap((one, i) => after.map((other, j) => ({ i, j, n: alike(one, other) })));
  candidates.sort((x, y) => y.n - x.n || Math.abs(x.i - x.j) - Math.abs(y.i - y.j));
  const [takenBefore, became] = [new Set<number>(), new Map<number, number>()];
  for (const { i, j, n } of candidates) {
    if (n === 0 || takenBefore.has(i) || became.has(j)) continue;
    takenBefore.add(i);
    became.set(j, i);
  }
  const at = (examples: readonly WorkedExample[], position: number | undefined) => {
    const example = position === undefined ? undefined : examples[position];
    return example && position !== undefined ? { number: position + 1, example } : null;
  };
  return [
    ...after.map((_, j) => ({ before: at(before, became.get(j)), after: at(after, j) })),
    ...before.flatMap((_, i) => (takenBefore.has(i) ? [] : [{ before: at(before, i), after: null }])),
  ];
}

/** Whether nothing but the number differs. */
export function isUnchanged({ before, after }: ExamplePair): boolean {
  if (!before || !after) return false;
  const [one, other] = [before.example, after.example];
  return (
    alike(one, other) === 3 &&
    one.preferred === other.preferred &&
    one.intensity === other.intensity &&
    one.rationale === other.rationale &&
    one.in_quiz === other.in_quiz
  );
}

export function isSameVersion(before: GuidelineVersion, after: GuidelineVersion): boolean {
  return (
    before.body === after.body &&
    before.examples.length === after.examples.length &&
    pairExamples(before.examples, after.examples).every((pair) => isUnchanged(pair) && pair.before?.number === pair.after?.number)
  );
}
