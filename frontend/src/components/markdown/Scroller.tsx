import { useEffect, useRef, useState, type ReactNode } from 'react';
import classes from './Scroller.module.css';

interface Props {
  /** What it is that scrolls: "Table". */
  label: string;
  dir?: string;
  children: ReactNode;
  /** No block may stand there. */
  isInParagraph?: boolean;
}

/** Something wide that scrolls by itself, with the keyboard too where it does not fit. */
export function Scroller({ label, dir, children, isInParagraph = false }: Props) {
  const box = useRef<HTMLDivElement & HTMLSpanElement>(null);
  const [isWide, setWide] = useState(false);

  useEffect(() => {
    const element = box.current;
    // Measured where something is laid out: not in tests.
    if (!element || typeof ResizeObserver === 'undefined') return;
    const observer = new ResizeObserver(() => setWide(element.scrollWidth > element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // Most tables and formulas fit: those are no stop on the way through the page.
  const Box = isInParagraph ? 'span' : 'div';
  const reachable = isWide ? { tabIndex: 0, role: 'region', 'aria-label': label } : {};
  return (
    <Box className={classes.scroller} dir={dir} ref={box} {...reachable}>
      {children}
    </Box>
  );
}
