import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, renderHook, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { api, isActingAs } from './api/client';
import { meKey, useMe } from './session';

let signedIn: number | null;
/** For whom each request was, in order. */
let asked: [path: string, user: string | undefined][];

beforeEach(() => {
  signedIn = 7;
  asked = [];
  vi.stubGlobal('fetch', (path: string, { headers }: { headers: Record<string, string> }) => {
    asked.push([path, headers['X-Expected-User']]);
    const answer = signedIn === null ? { code: 'not_authenticated' } : { id: signedIn };
    return Promise.resolve(Response.json(answer, { status: signedIn === null ? 401 : 200 }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('acts as who is signed in: nobody at first, then them, then the next one in the same tab', async () => {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const wrapper = ({ children }: { children: React.ReactNode }) => (
    <QueryClientProvider client={queries}>{children}</QueryClientProvider>
  );
  const { result } = renderHook(useMe, { wrapper });
  await waitFor(() => expect(result.current.data?.id).toBe(7));
  expect(isActingAs(7)).toBe(true);
  await api.get('projects');

  queries.setQueryData(meKey, null);
  await waitFor(() => expect(isActingAs(7)).toBe(false));
  await api.get('projects');

  signedIn = 8;
  await queries.resetQueries({ queryKey: meKey });
  await waitFor(() => expect(isActingAs(8)).toBe(true));
  await api.get('projects');

  // Somebody else again, in another tab: who they are is asked of nobody in particular.
  signedIn = 9;
  await queries.invalidateQueries({ queryKey: meKey });
  await waitFor(() => expect(isActingAs(9)).toBe(true));
  expect(asked).toEqual([
    ['/api/v1/me', undefined],
    ['/api/v1/projects', '7'],
    ['/api/v1/projects', undefined],
    ['/api/v1/me', undefined],
    ['/api/v1/projects', '8'],
    ['/api/v1/me', undefined],
  ]);
});
