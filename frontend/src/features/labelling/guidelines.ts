import { useLocalStorage } from '@mantine/hooks';
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

/** The version this person last started rating under, on this device: 0 for "there were none", null for never. */
export function useSeenVersion(userId: number, slug: string): [number | null, (version: number) => void] {
  const [seen, setSeen] = useLocalStorage<number | null>({
    key: `touchstone:guidelines-seen:${userId}:${slug}`,
    defaultValue: null,
    getInitialValueInEffect: false,
  });
  return [seen, setSeen];
}
