import { useLocalStorage } from '@mantine/hooks';
import { useState } from 'react';

/** How the two completions are shown. */
export interface PairView {
  /** The text as it was written, instead of as Markdown. */
  isRaw: boolean;
  /** The words that are in one of them only are marked. */
  isDiff: boolean;
  /** Both move with the page; else each scrolls by itself. */
  isScrollShared: boolean;
}

const remembered = (name: string, defaultValue: boolean) => ({
  key: `touchstone:${name}`,
  defaultValue,
  getInitialValueInEffect: false,
});

/** What a labeller chose last; differences are asked for anew with each pair. */
export function usePairView(): [PairView, (change: Partial<PairView>) => void] {
  const [isRaw, setRaw] = useLocalStorage(remembered('raw-text', false));
  const [isScrollShared, setScrollShared] = useLocalStorage(remembered('scroll-shared', true));
  const [isDiff, setDiff] = useState(false);

  const change = (wanted: Partial<PairView>) => {
    if (wanted.isRaw !== undefined) setRaw(wanted.isRaw);
    if (wanted.isScrollShared !== undefined) setScrollShared(wanted.isScrollShared);
    if (wanted.isDiff !== undefined) setDiff(wanted.isDiff);
  };
  return [{ isRaw, isDiff, isScrollShared }, change];
}
