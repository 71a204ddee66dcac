import { UnstyledButton } from '@mantine/core';
import { KeyCap } from '@/components/KeyCap';
import type { Shortcut } from '@/lib/shortcuts/shortcuts';
import classes from './Labelling.module.css';

interface Props {
  axis: string;
  /** One entry an answer, in order. */
  shortcuts: readonly Shortcut[];
  chosen: number | null;
}

/** The project's second question, on the same screen. */
export function BucketBar({ axis, shortcuts, chosen }: Props) {
  return (
    <div role="group" aria-label={axis} className={classes.buckets}>
      <span className={classes.question} aria-hidden>
        {axis}
      </span>
      {shortcuts.map(({ id, label, keyName, perform }, position) => (
        <UnstyledButton
          key={id}
          className={classes.bucket}
          aria-pressed={position === chosen}
          aria-label={`${label} (${keyName})`}
          aria-keyshortcuts={keyName}
          onClick={perform}
        >
          <KeyCap keyName={keyName} />
          {label}
        </UnstyledButton>
      ))}
    </div>
  );
}
