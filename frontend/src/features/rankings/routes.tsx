import type { RouteObject } from 'react-router';

export const rankingsRoutes: RouteObject[] = [
  { path: 'rank', lazy: async () => ({ Component: (await import('./RankingPage')).RankingPage }) },
];
