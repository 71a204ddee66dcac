/** Who is signed in, and which project is open. */

import { useQuery } from '@tanstack/react-query';
import { createContext, use, useLayoutEffect } from 'react';
import { actAs, ApiError, request } from './api/client';
import type { Capability, Me, Project } from './api/types';

export const meKey = ['me'] as const;

/** The signed-in user; null when nobody is. The page acts as them from then on. */
export function useMe() {
  const me = useQuery({
    queryKey: meKey,
    queryFn: async () => {
      try {
        return await request<Me>('GET', '/api/v1/me', { isForAnybody: true });
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
  const id = me.data?.id ?? null;
  // Before the effects of what is shown to them: those send requests.
  useLayoutEffect(() => actAs(id), [id]);
  return me;
}

export const projectKey = (slug: string) => ['projects', slug] as const;

export const ProjectContext = createContext<Project | null>(null);

/** The open project. Below the project layout only. */
export function useProject(): Project {
  const project = use(ProjectContext);
  if (!project) throw new Error('useProject needs the project layout above it');
  return project;
}

export function useMay(capability: Capability): boolean {
  return useProject().capabilities.includes(capability);
}
