/** Lists that grow by cursor pages. */

import { useInfiniteQuery } from '@tanstack/react-query';
import { api, cursorOf, type Page } from './api/client';

/** All pages loaded so far of the list at `path`, under the query key `key`. */
export function usePages<T>(
  key: readonly unknown[],
  path: string,
  query: Record<string, string> = {},
  refetchInterval: number | false = false,
) {
  const result = useInfiniteQuery({
    queryKey: [...key, query],
    queryFn: ({ pageParam, signal }) => api.get<Page<T>>(path, { ...query, cursor: pageParam }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => cursorOf(page.next),
    refetchInterval,
  });
  return { ...result, rows: result.data?.pages.flatMap((page) => page.results) };
}
