import type { ComponentProps } from 'react';
import classes from './Completion.module.css';
import type { Stretch } from './spans';

interface Props extends ComponentProps<'div'> {
  text: string;
  /** In order and apart from each other. */
  marked: readonly Stretch[];
}

/** A text as it was written, letter by letter, with what is marked in it. */
export function RawText({ text, marked, ...rest }: Props) {
  const pieces = marked.map(({ start, end }, at) => [
    text.slice(marked[at - 1]?.end ?? 0, start),
    <mark key={start} className={classes.mark}>
      {text.slice(start, end)}
    </mark>,
  ]);
  return (
    <div {...rest} className={classes.raw}>
      {pieces}
      {text.slice(marked.at(-1)?.end ?? 0)}
    </div>
  );
}
