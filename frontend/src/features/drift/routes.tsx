import type { RouteObject } from 'react-router';

export const driftRoutes: RouteObject[] = [
  { path: 'drift', lazy: async () => ({ Component: (await import('./DriftPage')).DriftPage }) },
  { path: 'drift/:id', lazy: async () => ({ Component: (await import('./DriftReportPage')).DriftReportPage }) },
];
