import type { SamplingRound } from '@/lib/api/types';

/** Where a round stands: being drawn, waiting for labellers, rated, or withdrawn. */
export function stateOf({ finished_at, withdrawn_at, job, n_chosen, n_rated }: SamplingRound): { state: string; colour?: string } {
  if (!finished_at) return { state: job?.state ?? 'pending' };
  if (withdrawn_at) return { state: 'withdrawn', colour: 'orange' };
  if (n_chosen === 0) return { state: 'nothing_chosen', colour: 'gray' };
  return n_rated < n_chosen ? { state: 'labelling', colour: 'blue' } : { state: 'rated', colour: 'teal' };
}
