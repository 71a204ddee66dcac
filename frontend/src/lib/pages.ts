/** Lists that grow by cursor pages, and lists whose pages have numbers. */

import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
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

/** One page of the list at `path`, by its number; the page before stays while the next one is on its way. */
export function useNumberedPage<T>(key: readonly unknown[], path: string, query: Record<string, string>) {
  return useQuery({
    queryKey: [...key, query],
    queryFn: ({ signal }) => api.get<Page<T> & { count: number }>(path, query, signal),
    placeholderData: keepPreviousData,
  });
}
