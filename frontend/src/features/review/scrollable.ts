/** For a wide table without links: on a narrow screen it is scrolled with the keyboard too. */
export const SCROLLABLE = { viewportProps: { tabIndex: 0 } };
