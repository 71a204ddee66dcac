import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { api } from '@/lib/api/client';
import type { GenerationChoices, RefreshConfig, RefreshPreview, SetPreview, Spec } from '@/lib/api/types';
import { useProject } from '@/lib/session';

/** What new completions can be written by; a refresh's form starts from its mix. */
export function useChoices(enabled = true) {
  const { slug } = useProject();
  return useQuery({
    queryKey: ['projects', slug, 'generations', 'choices'],
    queryFn: () => api.get<GenerationChoices>(`projects/${slug}/generations/choices`),
    enabled,
  });
}

/** The spec as an address can have it; null where programs chose by lists, which no field here shows and no address has:
 * counts without them would be wrong. */
export function countable(spec: Spec): Record<string, unknown> | null {
  const isFilter = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  const { ai, ...others } = spec as Spec & { ai?: { use: string } };
  if (Object.values(others).some(isFilter) || (ai && ai.use !== 'none')) return null;
  return Object.fromEntries(Object.entries(others).filter(([, value]) => typeof value !== 'object'));
}

/** What a refresh with `config` would do, take, and be trained on, a moment after the last change. */
export function usePreviews(config: RefreshConfig) {
  const { slug } = useProject();
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(config), 400);
  const spec = JSON.stringify(countable((JSON.parse(asked) as RefreshConfig).spec ?? {}));
  const preview = useQuery({
    queryKey: ['projects', slug, 'refreshes', 'preview', asked],
    queryFn: () => api.post<RefreshPreview>(`projects/${slug}/refreshes/preview`, JSON.parse(asked)),
    placeholderData: (previous) => previous,
    retry: false,
  });
  const set = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'preview', spec],
    queryFn: () => api.get<SetPreview>(`projects/${slug}/comparison-sets/preview`, JSON.parse(spec) as Record<string, string>),
    enabled: spec !== 'null',
    placeholderData: (previous) => previous,
    retry: false,
  });
  return { preview: preview.data, error: preview.error, set: set.data, setError: set.error };
}
