import { useEffect, type RefObject } from 'react';

/** Keep what gets the focus clear of a bar that sticks to the bottom of the page: the page scrolls it above the bar. */
export function useRoomFor(bar: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = bar.current;
    if (!element) return;
    const page = document.documentElement.style;
    const measure = () => page.setProperty('--room-below', `${element.offsetHeight}px`);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => {
      observer.disconnect();
      page.removeProperty('--room-below');
    };
  }, [bar]);
}
