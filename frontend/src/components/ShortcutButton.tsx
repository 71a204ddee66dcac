import { Button, Tooltip, type ButtonProps } from '@mantine/core';
import { ariaKeys, printed, type Shortcut } from '@/lib/shortcuts/shortcuts';

interface Props extends ButtonProps {
  shortcut: Shortcut;
  /** Shorter text on the button itself. */
  text: string;
  isExpanded?: boolean;
  /** Whether what it turns on is on. */
  isPressed?: boolean;
}

/** A button that does what its shortcut does and says which key that is. */
export function ShortcutButton({ shortcut, text, isExpanded, isPressed, ...rest }: Props) {
  return (
    <Tooltip label={`${shortcut.label} (${printed(shortcut)})`}>
      <Button
        variant={isPressed ? 'light' : 'subtle'}
        color={isPressed ? undefined : 'gray'}
        size="compact-sm"
        aria-label={`${text} (${printed(shortcut)})`}
        aria-keyshortcuts={ariaKeys(shortcut)}
        aria-expanded={isExpanded}
        aria-pressed={isPressed}
        disabled={shortcut.isEnabled === false}
        onClick={shortcut.perform}
        {...rest}
      >
        {text}
      </Button>
    </Tooltip>
  );
}
