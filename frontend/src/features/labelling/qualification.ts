import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api } from '@/lib/api/client';
import type { Qualification, QuizAnswer, QuizResult, Standing } from '@/lib/api/types';

const keyOf = (slug: string) => ['projects', slug, 'qualification'] as const;
const fetchFrom = (slug: string) => api.get<Qualification>(`projects/${slug}/qualification`);

/** What the gate goes by: asked anew each time it is there, and again only when it says so. */
export function useQualification(slug: string, standing: Standing) {
  return useQuery({
    queryKey: [...keyOf(slug), 'gate', standing],
    queryFn: () => fetchFrom(slug),
    staleTime: Infinity,
    gcTime: 0,
  });
}

/** The newest version that this labeller has passed: null for none, undefined while it is not known. */
export function usePassedVersion(slug: string, isWanted: boolean): number | null | undefined {
  const { data } = useQuery({
    queryKey: [...keyOf(slug), 'passed'],
    queryFn: async () => (await fetchFrom(slug)).passed_version,
    enabled: isWanted,
    staleTime: 60_000,
  });
  return data;
}

interface Attempt {
  version: number;
  attempt: number;
  answers: QuizAnswer[];
}

/** Hand in a quiz, or say that a version without one is read. Sending the same again is not another attempt. */
export function useHandIn(slug: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (attempt: Attempt) => api.post<QuizResult>(`projects/${slug}/qualification`, attempt),
    onSuccess: async (result) => {
      if (!result.passed) return;
      // What the quiz asked is shown among the worked examples from now on.
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'guidelines'] });
      await queries.invalidateQueries({ queryKey: [...keyOf(slug), 'passed'] });
    },
  });
}
