import type { RouteObject } from 'react-router';

export const generationRoutes: RouteObject[] = [
  { path: 'generations', lazy: async () => ({ Component: (await import('./GenerationsPage')).GenerationsPage }) },
  { path: 'generations/:id', lazy: async () => ({ Component: (await import('./GenerationPage')).GenerationPage }) },
];
