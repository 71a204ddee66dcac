import type { RouteObject } from 'react-router';

export const reviewRoutes: RouteObject[] = [
  { path: 'agreement', lazy: async () => ({ Component: (await import('./AgreementPage')).AgreementPage }) },
  { path: 'comparisons', lazy: async () => ({ Component: (await import('./ComparisonsPage')).ComparisonsPage }) },
  { path: 'comparisons/:id', lazy: async () => ({ Component: (await import('./ComparisonPage')).ComparisonPage }) },
];
