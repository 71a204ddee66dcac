import type { RouteObject } from 'react-router';

export const judgesRoutes: RouteObject[] = [
  { path: 'judges', lazy: async () => ({ Component: (await import('./JudgesPage')).JudgesPage }) },
  { path: 'judges/:id', lazy: async () => ({ Component: (await import('./JudgePage')).JudgePage }) },
  { path: 'judge-runs/:id', lazy: async () => ({ Component: (await import('./JudgeRunPage')).JudgeRunPage }) },
  { path: 'constitutions/:id', lazy: async () => ({ Component: (await import('./ConstitutionPage')).ConstitutionPage }) },
];
