import type { RouteObject } from 'react-router';

export const guidelinesRoutes: RouteObject[] = [
  { path: 'guidelines', lazy: async () => ({ Component: (await import('./GuidelinesPage')).GuidelinesPage }) },
  { path: 'guidelines/edit', lazy: async () => ({ Component: (await import('./EditGuidelinesPage')).EditGuidelinesPage }) },
];
