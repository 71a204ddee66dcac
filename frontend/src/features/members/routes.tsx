import type { RouteObject } from 'react-router';

export const membersRoutes: RouteObject[] = [
  { path: 'members', lazy: async () => ({ Component: (await import('./MembersPage')).MembersPage }) },
];
