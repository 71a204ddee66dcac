import type { RouteObject } from 'react-router';

export const policyRoutes: RouteObject[] = [
  { path: 'policy-runs', lazy: async () => ({ Component: (await import('./PolicyRunsPage')).PolicyRunsPage }) },
  { path: 'policy-runs/new', lazy: async () => ({ Component: (await import('./NewPolicyRunPage')).NewPolicyRunPage }) },
  { path: 'policy-runs/:number', lazy: async () => ({ Component: (await import('./PolicyRunPage')).PolicyRunPage }) },
  { path: 'sft-runs', lazy: async () => ({ Component: (await import('./SftRunsPage')).SftRunsPage }) },
  { path: 'sft-runs/new', lazy: async () => ({ Component: (await import('./NewSftRunPage')).NewSftRunPage }) },
  { path: 'sft-runs/:number', lazy: async () => ({ Component: (await import('./SftRunPage')).SftRunPage }) },
];
