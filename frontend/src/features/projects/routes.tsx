import type { RouteObject } from 'react-router';

export const projectsRoutes: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import('./ProjectsPage')).ProjectsPage }) },
  { path: 'projects', lazy: async () => ({ Component: (await import('./ProjectsPage')).ProjectsPage }) },
  { path: 'projects/new', lazy: async () => ({ Component: (await import('./NewProjectPage')).NewProjectPage }) },
];

export const projectRoutes: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import('./OverviewPage')).OverviewPage }) },
  { path: 'settings', lazy: async () => ({ Component: (await import('./SettingsPage')).SettingsPage }) },
];
