import type { RouteObject } from 'react-router';

export const modelsRoutes: RouteObject[] = [
  { path: 'reward-models', lazy: async () => ({ Component: (await import('./RewardModelsPage')).RewardModelsPage }) },
  { path: 'reward-models/new', lazy: async () => ({ Component: (await import('./TrainPage')).TrainPage }) },
  { path: 'reward-models/compare', lazy: async () => ({ Component: (await import('./ComparePage')).ComparePage }) },
  { path: 'reward-models/compare/:id', lazy: async () => ({ Component: (await import('./CompareReportPage')).CompareReportPage }) },
  { path: 'reward-models/:id', lazy: async () => ({ Component: (await import('./RewardModelPage')).RewardModelPage }) },
  { path: 'playground', lazy: async () => ({ Component: (await import('./PlaygroundPage')).PlaygroundPage }) },
  { path: 'bulk-scorings', lazy: async () => ({ Component: (await import('./BulkScoringPage')).BulkScoringPage }) },
  { path: 'bulk-scorings/:id', lazy: async () => ({ Component: (await import('./BulkScoringResultPage')).BulkScoringResultPage }) },
  { path: 'comparison-sets', lazy: async () => ({ Component: (await import('./ComparisonSetsPage')).ComparisonSetsPage }) },
  { path: 'comparison-sets/new', lazy: async () => ({ Component: (await import('./NewComparisonSetPage')).NewComparisonSetPage }) },
  { path: 'comparison-sets/:id', lazy: async () => ({ Component: (await import('./ComparisonSetPage')).ComparisonSetPage }) },
];
