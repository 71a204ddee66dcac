/** Going through the queue of disagreements, one comparison after the other. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';
import { api, withQuery, type Page } from '@/lib/api/client';
import type { DisagreementRow } from '@/lib/api/types';
import { useProject } from '@/lib/session';

const walkKey = (slug: string, reason: string) => ['projects', slug, 'disagreement-walk', reason] as const;

/** The address of a comparison as part of the walk. */
export function stepOf(slug: string, id: number, reason: string): string {
  return withQuery(`/projects/${slug}/comparisons/${id}`, { queue: 1, reason });
}

export interface Place {
  /** From 1; 0 for a comparison that is not in the queue. */
  position: number;
  n: number;
  previous: number | null;
  next: number | null;
}

/** Where `id` stands among `ids`. From outside of the queue it goes on with its first. */
export function placeOf(ids: readonly number[], id: number): Place {
  const at = ids.indexOf(id);
  return { position: at + 1, n: ids.length, previous: at > 0 ? (ids[at - 1] ?? null) : null, next: ids[at + 1] ?? null };
}

/** Begin a walk through these, as they are on the page now: what is settled on the way does not move the others. */
export function useBeginWalk(reason: string) {
  const { slug } = useProject();
  const queries = useQueryClient();
  return (ids: number[]) => queries.setQueryData(walkKey(slug, reason), ids);
}

export interface Walk extends Place {
  addressOf: (id: number) => string;
  reason: string;
}

/** The walk that the address asks for (`?queue=1&reason=split`), at this comparison; null without one. */
export function useWalk(id: number): Walk | null {
  const { slug } = useProject();
  const [params] = useSearchParams();
  const reason = params.get('reason') ?? '';
  const isWalking = params.get('queue') === '1';
  const { data: ids } = useQuery({
    queryKey: walkKey(slug, reason),
    queryFn: async () => {
      const page = await api.get<Page<DisagreementRow>>(`projects/${slug}/disagreements`, { reason });
      return page.results.map(({ comparison }) => comparison);
    },
    enabled: isWalking,
    staleTime: Infinity,
    gcTime: Infinity,
  });
  if (!isWalking || !ids) return null;
  return { ...placeOf(ids, id), addressOf: (other) => stepOf(slug, other, reason), reason };
}
