import type { RouteObject } from 'react-router';

export const jobsRoutes: RouteObject[] = [
  { path: 'jobs', lazy: async () => ({ Component: (await import('./JobsPage')).JobsPage }) },
  { path: 'jobs/:id', lazy: async () => ({ Component: (await import('./JobPage')).JobPage }) },
];
