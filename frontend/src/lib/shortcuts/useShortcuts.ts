import { useEffect, useEffectEvent } from 'react';
import { shortcutFor, type Shortcut } from './shortcuts';

/** Listen for the keys of `table` while the component is there and `isOn`. */
export function useShortcuts(table: readonly Shortcut[], isOn = true): void {
  const onKey = useEffectEvent((press: KeyboardEvent) => {
    const shortcut = shortcutFor(press, table);
    if (!shortcut) return;
    press.preventDefault();
    shortcut.perform();
  });

  useEffect(() => {
    if (!isOn) return;
    const listen = (press: KeyboardEvent) => onKey(press);
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, [isOn]);
}
