import { useEffect, useRef } from 'react';
import { ActiveTime } from './activeTime';

const SIGNS = ['pointermove', 'pointerdown', 'keydown', 'wheel', 'scroll', 'touchmove'] as const;

/** Measures the time on the thing named by `key`, from when it is shown; read it with the function returned. */
export function useActiveTime(key: string | number | null): () => number {
  const time = useRef<ActiveTime | null>(null);

  useEffect(() => {
    const meter = new ActiveTime(undefined, document.visibilityState === 'visible');
    time.current = meter;
    const stir = () => meter.stir();
    const look = () => meter.setVisible(document.visibilityState === 'visible');
    for (const sign of SIGNS) window.addEventListener(sign, stir, { passive: true, capture: true });
    document.addEventListener('visibilitychange', look);
    return () => {
      for (const sign of SIGNS) window.removeEventListener(sign, stir, { capture: true });
      document.removeEventListener('visibilitychange', look);
    };
  }, [key]);

  return () => time.current?.elapsed() ?? 0;
}
