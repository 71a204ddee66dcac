import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobLogLine } from '@/lib/api/types';
import { JobLog } from './JobLog';

const PAGE = 500;
const linesUpTo = (n: number): JobLogLine[] =>
  Array.from({ length: n }, (_, at) => ({ seq: at + 1, at: '2026-09-01T12:00:00Z', level: 'info', message: `line ${at + 1}` }));

let stored: JobLogLine[] = [];
let asked: number[] = [];

/** As the server answers: without `after` the last page, with it the page that follows. */
async function answer(input: RequestInfo | URL): Promise<Response> {
  const after = Number(new URL(String(input), 'http://localhost').searchParams.get('after'));
  asked.push(after);
  const lines = after ? stored.filter(({ seq }) => seq > after).slice(0, PAGE) : stored.slice(-PAGE);
  return Promise.resolve(new Response(JSON.stringify({ lines }), { headers: { 'Content-Type': 'application/json' } }));
}

function show(isLive: boolean, queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })) {
  const page = (live: boolean) => (
    <MantineProvider env="test">
      <QueryClientProvider client={queries}>
        <JobLog jobId="7" isLive={live} />
      </QueryClientProvider>
    </MantineProvider>
  );
  const { rerender } = render(page(isLive));
  return { end: () => rerender(page(false)) };
}

beforeEach(() => {
  asked = [];
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  window.matchMedia = vi.fn().mockReturnValue({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() });
  vi.stubGlobal('fetch', answer);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('the log of a job', () => {
  it('has its last line when the job ends, however many came at once', async () => {
    stored = linesUpTo(3);
    const { end } = show(true);
    await screen.findByText('line 3');
    stored = linesUpTo(1200);
    end();
    await screen.findByText('line 1200', undefined, { timeout: 5_000 });
    expect(asked).toEqual([0, 3, 503, 1003]);
    expect(screen.getAllByText('line 3')).toHaveLength(1);
    expect(screen.queryByText('Earlier lines are not shown.')).toBeNull();
  });

  it('says so when it begins in the middle', async () => {
    stored = linesUpTo(600);
    show(false);
    await screen.findByText('line 600');
    expect(screen.queryByText('line 100')).toBeNull();
    screen.getByText('Earlier lines are not shown.');
  });

  it('says when nothing was said', async () => {
    stored = [];
    show(false);
    await screen.findByText('It said nothing.');
  });
});
