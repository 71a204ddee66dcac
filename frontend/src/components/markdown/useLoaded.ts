import { startTransition, useEffect, useState } from 'react';

export interface Loadable<T> {
  load: () => Promise<T>;
  /** What has been loaded, so that the next text is complete from its first frame. */
  loaded: T | null;
}

export function loadable<T>(load: () => Promise<T>): Loadable<T> {
  return { load, loaded: null };
}

/** What `part` loads, once it is there and as long as it is needed. Until then, and where it cannot be loaded, null. */
export function useLoaded<T>(part: Loadable<T>, isNeeded: boolean): T | null {
  const [, setCount] = useState(0);
  useEffect(() => {
    if (!isNeeded || part.loaded) return;
    let isGone = false;
    part.load().then(
      (loaded) => {
        part.loaded = loaded;
        if (!isGone) startTransition(() => setCount((count) => count + 1));
      },
      // Offline, or the server has a newer version: the text is readable without it, and the next one tries again.
      () => undefined,
    );
    return () => {
      isGone = true;
    };
  }, [part, isNeeded]);
  return isNeeded ? part.loaded : null;
}
