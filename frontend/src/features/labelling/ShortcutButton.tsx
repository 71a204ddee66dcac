import { Button, Tooltip, type ButtonProps } from '@mantine/core';
import type { Shortcut } from '@/lib/shortcuts/shortcuts';

interface Props extends ButtonProps {
  shortcut: Shortcut;
  /** Shorter text on the button itself. */
  text: string;
  isExpanded?: boolean;
}

/** A button that does what its shortcut does and says which key that is. */
export function ShortcutButton({ shortcut, text, isExpanded, ...rest }: Props) {
  return (
    <Tooltip label={`${shortcut.label} (${shortcut.keyName})`}>
      <Button
        variant="subtle"
        color="gray"
        size="compact-sm"
        aria-label={`${text} (${shortcut.keyName})`}
        aria-keyshortcuts={shortcut.keyName}
        aria-expanded={isExpanded}
        disabled={shortcut.isEnabled === false}
        onClick={shortcut.perform}
        {...rest}
      >
        {text}
      </Button>
    </Tooltip>
  );
}
