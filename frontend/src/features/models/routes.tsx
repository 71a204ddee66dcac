import type { RouteObject } from 'react-router';

export const modelsRoutes: RouteObject[] = [
  { path: 'reward-models', lazy: async () => ({ Component: (await import('./RewardModelsPage')).RewardModelsPage }) },
  { path: 'reward-models/:id', lazy: async () => ({ Component: (await import('./RewardModelPage')).RewardModelPage }) },
  { path: 'comparison-sets', lazy: async () => ({ Component: (await import('./ComparisonSetsPage')).ComparisonSetsPage }) },
  { path: 'comparison-sets/:id', lazy: async () => ({ Component: (await import('./ComparisonSetPage')).ComparisonSetPage }) },
];
