import type { RouteObject } from 'react-router';

export const samplingRoutes: RouteObject[] = [
  { path: 'sampling-rounds', lazy: async () => ({ Component: (await import('./RoundsPage')).RoundsPage }) },
  { path: 'sampling-rounds/:id', lazy: async () => ({ Component: (await import('./SamplingRoundPage')).SamplingRoundPage }) },
];
