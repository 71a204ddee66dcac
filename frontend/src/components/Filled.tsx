import { Fragment, type ReactNode } from 'react';

/** A sentence with elements in it, wherever the language has them: `text` comes from `t`, which leaves the holes it has
 * no value for. */
export function Filled({ text, ...elements }: { text: string } & Record<string, ReactNode>) {
  return text.split(/\{\{(\w+)\}\}/).map((part, at) => <Fragment key={at}>{at % 2 ? elements[part] : part}</Fragment>);
}
