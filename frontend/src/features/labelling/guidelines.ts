import { useQuery } from '@tanstack/react-query';
import { api } from '@/lib/api/client';
import type { GuidelineVersion } from '@/lib/api/types';

/** One version of the guidelines; it never changes once published. */
export function useGuidelines(slug: string, version: number) {
  return useQuery({
    queryKey: ['projects', slug, 'guidelines', version],
    queryFn: () => api.get<GuidelineVersion>(`projects/${slug}/guidelines/${version}`),
    staleTime: Infinity,
  });
}
