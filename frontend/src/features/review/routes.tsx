import type { RouteObject } from 'react-router';

export const reviewRoutes: RouteObject[] = [
  { path: 'agreement', lazy: async () => ({ Component: (await import('./AgreementPage')).AgreementPage }) },
  { path: 'disagreements', lazy: async () => ({ Component: (await import('./DisagreementsPage')).DisagreementsPage }) },
  { path: 'comparisons', lazy: async () => ({ Component: (await import('./ComparisonsPage')).ComparisonsPage }) },
  { path: 'comparisons/:id', lazy: async () => ({ Component: (await import('./ComparisonPage')).ComparisonPage }) },
  { path: 'labellers', lazy: async () => ({ Component: (await import('./labellers/LabellersPage')).LabellersPage }) },
  { path: 'labellers/:id', lazy: async () => ({ Component: (await import('./labellers/LabellerPage')).LabellerPage }) },
  { path: 'ratings', lazy: async () => ({ Component: (await import('./ratings/RatingsPage')).RatingsPage }) },
];
