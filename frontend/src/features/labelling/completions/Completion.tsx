import { CloseButton, Text, VisuallyHidden } from '@mantine/core';
import { memo } from 'react';
import { Copy } from '@/components/Copy';
import { Markdown } from '@/components/Markdown';
import type { Span } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import classes from './Completion.module.css';
import type { Piece } from './differences';
import { lengthOf } from './length';
import { MarkableText } from './MarkableText';
import { RawText } from './RawText';
import { stretchesOf, type Side, type Stretch } from './spans';

interface Props {
  side: Side;
  name: string;
  text: string;
  isLengthShown: boolean;
  isRaw: boolean;
  isScrollShared: boolean;
  /** The text in pieces where its differences are shown. */
  pieces: Piece[] | null;
  /** Those of this side. */
  spans: readonly Span[];
  isHighlighting: boolean;
  onMark: (side: Side, stretch: Stretch) => void;
  onUnmark: (side: Side, stretch: Stretch) => void;
  onRemove: (span: Span) => void;
  howToMarkId: string;
}

/** One of the two completions. */
export const Completion = memo(function Completion(props: Props) {
  const { side, name, text, isLengthShown, isScrollShared, isHighlighting, spans, onRemove } = props;
  // While marking, the text itself can be focused and scrolls along.
  const scrolls = isScrollShared
    ? {}
    : { role: 'region', 'aria-label': t('Text of completion {{name}}', { name }), tabIndex: isHighlighting ? undefined : 0 };
  return (
    <section className={classes.side} data-side={side} aria-label={t('Completion {{name}}', { name })}>
      <div className={classes.head} data-sticky={isScrollShared || undefined}>
        <span className={classes.letter} aria-hidden>
          {name}
        </span>
        {isLengthShown && <Length text={text} />}
        <Copy value={text} label={t('Copy completion {{name}}', { name })} />
      </div>
      <div className={classes.body} data-scroller={isScrollShared ? undefined : true} {...scrolls}>
        <Content {...props} />
      </div>
      {spans.length > 0 && (
        <ul className={classes.chips} aria-label={t('Marked in completion {{name}}', { name })}>
          {spans.map((span) => (
            <li key={span.start} className={classes.chip}>
              <span className={classes.quote} dir="auto">
                {span.quote}
              </span>
              <CloseButton size="sm" aria-label={t('Remove the mark: {{quote}}', { quote: span.quote })} onClick={() => onRemove(span)} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
});

function Content({ side, name, text, isRaw, pieces, spans, isHighlighting, onMark, onUnmark, howToMarkId }: Props) {
  if (isHighlighting) {
    return (
      <MarkableText
        name={name}
        text={text}
        marked={stretchesOf(side, text, spans)}
        onMark={(stretch) => onMark(side, stretch)}
        onUnmark={(stretch) => onUnmark(side, stretch)}
        describedBy={howToMarkId}
      />
    );
  }
  if (pieces) return <Differing name={name} side={side} pieces={pieces} />;
  return isRaw ? <RawText text={text} marked={stretchesOf(side, text, spans)} /> : <Markdown text={text} />;
}

/** What only this completion has is underlined, and said to a screen reader. */
function Differing({ name, side, pieces }: { name: string; side: Side; pieces: Piece[] }) {
  const Own = side === 'first' ? 'del' : 'ins';
  return (
    <div className={classes.raw}>
      {pieces.map(({ text, isOwn }, at) =>
        isOwn ? (
          <Own key={at} className={classes.own}>
            <VisuallyHidden component="span">{t('[only in {{name}}:', { name })} </VisuallyHidden>
            {text}
            <VisuallyHidden component="span">]</VisuallyHidden>
          </Own>
        ) : (
          text
        ),
      )}
    </div>
  );
}

function Length({ text }: { text: string }) {
  const { words, characters } = lengthOf(text);
  return (
    <Text size="xs" c="dimmed" className={classes.length}>
      {t('{{count}} words', { count: words })} · {t('{{count}} characters', { count: characters })}
    </Text>
  );
}
