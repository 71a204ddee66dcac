// Room for the strip above and the buttons below, which stay while the page scrolls.
const ABOVE = 110;
const BELOW = 240;

/** Scroll as far as it takes to see the range: its own scroller first, then the page. */
export function keepInView(range: Range, element: Element): void {
  // Only where something is laid out.
  if (typeof range.getBoundingClientRect !== 'function') return;
  const scroller = element.closest('[data-scroller]');
  if (scroller) {
    const [box, place] = [scroller.getBoundingClientRect(), range.getBoundingClientRect()];
    if (place.top < box.top) scroller.scrollTop -= box.top - place.top;
    else if (place.bottom > box.bottom) scroller.scrollTop += place.bottom - box.bottom;
  }
  const place = range.getBoundingClientRect();
  if (place.top < ABOVE) window.scrollBy(0, place.top - ABOVE);
  else if (place.bottom > window.innerHeight - BELOW) window.scrollBy(0, place.bottom - window.innerHeight + BELOW);
}
