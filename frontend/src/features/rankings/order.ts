/** The order of a ranking: tiers of cards, best first; cards in one tier share a place. Pure. */

import type { Tiers } from '@/lib/api/types';

/** Nine cards at most, as the server has it. */
const LETTERS = 'ABCDEFGHI';

/** The letter of a card: by its position on the screen when it came, whatever its place is now. */
export const letterOf = (card: number): string => LETTERS[card] ?? '?';

/** As the cards were drawn, each with a place of its own. */
export const drawn = (size: number): Tiers => Array.from({ length: size }, (_, card) => [card]);

/** The cards from top to bottom. */
export const cardsOf = (tiers: Tiers): number[] => tiers.flat();

/** The place of a card, from 1; cards that share it have the same. */
export const placeOf = (tiers: Tiers, card: number): number => tiers.findIndex((tier) => tier.includes(card)) + 1;

/** The cards that share a card's place, without itself. */
export const sharing = (tiers: Tiers, card: number): number[] =>
  (tiers.find((tier) => tier.includes(card)) ?? []).filter((other) => other !== card);

/** Whether a card stands in one place with the one right above it. */
export function isTied(tiers: Tiers, card: number): boolean {
  return tiers.some((tier) => tier.indexOf(card) > 0);
}

const without = (tier: number[], card: number) => tier.filter((other) => other !== card);

/** One place up (-1) or down (1): out of a shared place first, then past the whole of the next one. */
export function step(tiers: Tiers, card: number, by: -1 | 1): Tiers {
  const at = placeOf(tiers, card) - 1;
  const tier = tiers[at];
  if (!tier) return tiers;
  if (tier.length > 1) {
    const apart = by < 0 ? [[card], without(tier, card)] : [without(tier, card), [card]];
    return [...tiers.slice(0, at), ...apart, ...tiers.slice(at + 1)];
  }
  const other = tiers[at + by];
  if (!other) return tiers;
  const swapped = by < 0 ? [tier, other] : [other, tier];
  const from = Math.min(at, at + by);
  return [...tiers.slice(0, from), ...swapped, ...tiers.slice(from + 2)];
}

/** Put a card in one place with the one right above it; where it is there already, part them. */
export function toggleTie(tiers: Tiers, card: number): Tiers {
  const at = placeOf(tiers, card) - 1;
  const tier = tiers[at];
  if (!tier) return tiers;
  const within = tier.indexOf(card);
  if (within > 0) return [...tiers.slice(0, at), tier.slice(0, within), tier.slice(within), ...tiers.slice(at + 1)];
  const above = tiers[at - 1];
  if (!above) return tiers;
  return [...tiers.slice(0, at - 1), [...above, ...tier], ...tiers.slice(at + 1)];
}

/** Put a card at a place (from 1), alone; the others keep their order and their ties, those from there on move down. */
export function putAt(tiers: Tiers, card: number, place: number): Tiers {
  const rest = tiers.map((tier) => without(tier, card)).filter((tier) => tier.length > 0);
  const at = Math.min(Math.max(place - 1, 0), rest.length);
  return [...rest.slice(0, at), [card], ...rest.slice(at)];
}

/** Drop a card so that it is the `index`-th from the top. Between two that share a place it shares it too. */
export function moveTo(tiers: Tiers, card: number, index: number): Tiers {
  if (cardsOf(tiers)[index] === card) return tiers;
  const rest = tiers.map((tier) => without(tier, card)).filter((tier) => tier.length > 0);
  const moved: Tiers = [];
  let n_above = 0;
  let isPlaced = false;
  for (const tier of rest) {
    const within = index - n_above;
    if (!isPlaced && within <= 0) {
      moved.push([card]);
      isPlaced = true;
    }
    if (!isPlaced && within < tier.length) {
      moved.push([...tier.slice(0, within), card, ...tier.slice(within)]);
      isPlaced = true;
    } else {
      moved.push(tier);
    }
    n_above += tier.length;
  }
  if (!isPlaced) moved.push([card]);
  return moved;
}

/** "C > A = B > D". */
export function inLetters(tiers: Tiers): string {
  return tiers.map((tier) => tier.map(letterOf).join(' = ')).join(' > ');
}
