import { createBrowserRouter, type RouteObject } from 'react-router';
import { accountRoutes } from '@/features/account/routes';
import { auditRoutes } from '@/features/audit/routes';
import { publicRoutes } from '@/features/auth/routes';
import { dataRoutes } from '@/features/data/routes';
import { generationRoutes } from '@/features/generation/routes';
import { guidelinesRoutes } from '@/features/guidelines/routes';
import { jobsRoutes } from '@/features/jobs/routes';
import { judgesRoutes } from '@/features/judges/routes';
import { labellingRoutes } from '@/features/labelling/routes';
import { membersRoutes } from '@/features/members/routes';
import { driftRoutes } from '@/features/drift/routes';
import { modelsRoutes } from '@/features/models/routes';
import { policyRoutes } from '@/features/policies/routes';
import { projectRoutes, projectsRoutes } from '@/features/projects/routes';
import { rankingsRoutes } from '@/features/rankings/routes';
import { refreshRoutes } from '@/features/refresh/routes';
import { reviewRoutes } from '@/features/review/routes';
import { samplingRoutes } from '@/features/sampling/routes';
import { NotFound, PageError } from './errors';
import { ProjectLayout } from './ProjectLayout';
import { SignedIn } from './SignedIn';

const insideProject: RouteObject[] = [
  ...projectRoutes,
  ...labellingRoutes,
  ...rankingsRoutes,
  ...guidelinesRoutes,
  ...dataRoutes,
  ...reviewRoutes,
  ...modelsRoutes,
  ...generationRoutes,
  ...driftRoutes,
  ...refreshRoutes,
  ...policyRoutes,
  ...samplingRoutes,
  ...judgesRoutes,
  ...jobsRoutes,
  ...membersRoutes,
  ...auditRoutes,
];

export const router = createBrowserRouter([
  {
    errorElement: <PageError />,
    hydrateFallbackElement: <></>,
    children: [
      ...publicRoutes,
      {
        element: <SignedIn />,
        errorElement: <PageError />,
        children: [
          ...projectsRoutes,
          ...accountRoutes,
          { path: 'projects/:slug', element: <ProjectLayout />, errorElement: <PageError />, children: insideProject },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
  },
]);
