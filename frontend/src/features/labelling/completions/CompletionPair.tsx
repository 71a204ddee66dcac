import { Group, CloseButton, Text } from '@mantine/core';
import { useCallback, useEffect, useId, useMemo, useRef } from 'react';
import { tell } from '@/components/notify';
import type { Span } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { Completion } from './Completion';
import classes from './Completion.module.css';
import { countOwn, differencesOf, type Differences } from './differences';
import { MOST_SPANS, withoutStretch, withStretch, type Side, type Stretch } from './spans';
import type { PairView } from './usePairView';

interface Props {
  first: string;
  second: string;
  isLengthShown: boolean;
  view: PairView;
  onView: (change: Partial<PairView>) => void;
  spans: Span[];
  onSpans: (spans: Span[]) => void;
  isHighlighting: boolean;
}

/** The two completions of a pair, in equal columns, or one below the other where there is no room. */
export function CompletionPair({ first, second, isLengthShown, view, onView, spans, onSpans, isHighlighting }: Props) {
  const howToMarkId = useId();
  const differences = useMemo(
    () => (view.isDiff ? differencesOf(first, second) : null),
    [view.isDiff, first, second],
  );

  const isDiffShown = view.isDiff && !isHighlighting;

  // The sides are drawn again when theirs changes, not with every letter of a note: the callbacks stay the same.
  const latest = useRef({ spans, onSpans, first, second });
  useEffect(() => {
    latest.current = { spans, onSpans, first, second };
  });
  const onMark = useCallback((side: Side, stretch: Stretch) => {
    const now = latest.current;
    const next = withStretch(now.spans, side, now[side], stretch);
    if (next.length > MOST_SPANS) tell(t('No more than {{count}} passages can be marked.', { count: MOST_SPANS }));
    else now.onSpans(next);
  }, []);
  const onUnmark = useCallback((side: Side, stretch: Stretch) => {
    const now = latest.current;
    now.onSpans(withoutStretch(now.spans, side, now[side], stretch));
  }, []);
  const onRemove = useCallback((span: Span) => {
    const now = latest.current;
    now.onSpans(now.spans.filter((other) => other !== span));
  }, []);
  const own = useMemo(
    () => ({
      first: spans.filter(({ side }) => side === 'first'),
      second: spans.filter(({ side }) => side === 'second'),
    }),
    [spans],
  );

  const shared = {
    isLengthShown, isRaw: view.isRaw, isScrollShared: view.isScrollShared, isHighlighting, onMark, onUnmark, onRemove, howToMarkId,
  };
  return (
    <div className={classes.whole}>
      {/* Always there, since what appears together with its text is not read. */}
      <Group className={classes.notice} mod={{ empty: !isDiffShown }} justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" component="div" role="status">
          {isDiffShown && differencesInWords(differences)}
        </Text>
        {isDiffShown && (
          <CloseButton size="sm" aria-label={t('Hide the differences')} onClick={() => onView({ isDiff: false })} />
        )}
      </Group>
      {isHighlighting && (
        <Text size="sm" className={classes.notice} id={howToMarkId}>
          {t('Select what decided it with the mouse. With the keyboard: go to a text with Tab, to a word with the arrow keys, to more words with Shift; Enter marks them, Backspace takes the mark away.')}
        </Text>
      )}
      <div className={classes.pair}>
        <Completion side="first" name="A" text={first} pieces={differences?.first ?? null} spans={own.first} {...shared} />
        <Completion side="second" name="B" text={second} pieces={differences?.second ?? null} spans={own.second} {...shared} />
      </div>
    </div>
  );
}

function differencesInWords(differences: Differences | null): string {
  if (!differences) return t('The two texts have too little in common to mark the words that differ.');
  const count = countOwn(differences);
  return count === 0
    ? t('The two texts are the same word for word.')
    : t('{{count}} passages are in one of the two only. They are underlined.', { count });
}
