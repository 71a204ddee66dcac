import type { RouteObject } from 'react-router';

export const labellingRoutes: RouteObject[] = [
  { path: 'label', lazy: async () => ({ Component: (await import('./LabellingPage')).LabellingPage }) },
  { path: 'my-ratings', lazy: async () => ({ Component: (await import('./MyRatingsPage')).MyRatingsPage }) },
];
