import type { RouteObject } from 'react-router';

export const refreshRoutes: RouteObject[] = [
  { path: 'refreshes', lazy: async () => ({ Component: (await import('./RefreshesPage')).RefreshesPage }) },
  { path: 'refreshes/timeline', lazy: async () => ({ Component: (await import('./TimelinePage')).TimelinePage }) },
  { path: 'refreshes/schedule', lazy: async () => ({ Component: (await import('./SchedulePage')).SchedulePage }) },
  { path: 'refreshes/:id', lazy: async () => ({ Component: (await import('./RefreshPage')).RefreshPage }) },
];
