import type { RouteObject } from 'react-router';

export const policyRoutes: RouteObject[] = [
  { path: 'policy-runs', lazy: async () => ({ Component: (await import('./PolicyRunsPage')).PolicyRunsPage }) },
  { path: 'policy-runs/new', lazy: async () => ({ Component: (await import('./NewPolicyRunPage')).NewPolicyRunPage }) },
  { path: 'policy-runs/:number', lazy: async () => ({ Component: (await import('./PolicyRunPage')).PolicyRunPage }) },
];
