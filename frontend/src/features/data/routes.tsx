import type { RouteObject } from 'react-router';

export const dataRoutes: RouteObject[] = [
  { path: 'prompts', lazy: async () => ({ Component: (await import('./PromptsPage')).PromptsPage }) },
  { path: 'prompts/:id', lazy: async () => ({ Component: (await import('./PromptPage')).PromptPage }) },
  { path: 'imports', lazy: async () => ({ Component: (await import('./ImportsPage')).ImportsPage }) },
  { path: 'imports/:id', lazy: async () => ({ Component: (await import('./ImportPage')).ImportPage }) },
];
