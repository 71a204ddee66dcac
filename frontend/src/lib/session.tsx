/** Who is signed in, and which project is open. */

import { useQuery } from '@tanstack/react-query';
import { createContext, use } from 'react';
import { api, ApiError } from './api/client';
import type { Capability, Me, Project } from './api/types';

export const meKey = ['me'] as const;

/** The signed-in user; null when nobody is. */
export function useMe() {
  return useQuery({
    queryKey: meKey,
    queryFn: async () => {
      try {
        return await api.get<Me>('me');
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
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
