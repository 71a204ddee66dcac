import { MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ComparisonDetail, Project } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { Gold } from './Gold';

const project = { slug: 'p', intensity_labels: ['much better', 'better', 'slightly better'] } as Partial<Project> as Project;
let sent: { method?: string; url: string; body: unknown }[];

function open(changes: Partial<ComparisonDetail> = {}) {
  const comparison = { id: 7, state: 'open', n_ratings: 2, gold_preferred: null, gold_intensity: null, ...changes } as ComparisonDetail;
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <ModalsProvider>
          <ProjectContext.Provider value={project}>
            <Gold comparison={comparison} />
          </ProjectContext.Provider>
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

beforeEach(() => {
  sent = [];
  vi.stubGlobal('fetch', (url: string, { method, body }: RequestInit) => {
    sent.push({ method, url, body: typeof body === 'string' ? JSON.parse(body) : null });
    return Promise.resolve(new Response('{}', { headers: { 'Content-Type': 'application/json' } }));
  });
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const url = '/api/v1/projects/p/comparisons/7/gold';

describe('gold', () => {
  it('is given with the known answer, after being told that it leaves training', async () => {
    const user = open();
    await user.click(screen.getByRole('button', { name: 'Use as gold' }));
    const dialog = await screen.findByRole('dialog', { name: 'Use as gold' });
    within(dialog).getByText(/Gold leaves training: its 2 ratings no longer count/);
    const save = within(dialog).getByRole<HTMLButtonElement>('button', { name: /use as gold/ });
    expect(save.disabled).toBe(true);
    await user.click(within(dialog).getByRole('radio', { name: 'B' }));
    await user.click(save);
    await waitFor(() => expect(sent).toEqual([{ method: 'PUT', url, body: { preferred: 'b', intensity: 2 } }]));
  });

  it('has no intensity where both are alike', async () => {
    const user = open({ gold_preferred: 'a', gold_intensity: 3, state: 'closed' });
    screen.getByText(/Known answer: A much better\./);
    await user.click(screen.getByRole('button', { name: 'Change gold' }));
    const dialog = await screen.findByRole('dialog');
    await user.click(within(dialog).getByRole('radio', { name: 'Tie' }));
    await user.click(within(dialog).getByRole('button', { name: /use as gold/ }));
    await waitFor(() => expect(sent).toEqual([{ method: 'PUT', url, body: { preferred: 'tie', intensity: null } }]));
  });

  it('is taken back once that is confirmed', async () => {
    const user = open({ gold_preferred: 'tie', state: 'closed' });
    await user.click(screen.getByRole('button', { name: 'Stop using as gold' }));
    const dialog = await screen.findByRole('dialog');
    expect(sent).toEqual([]);
    await user.click(within(dialog).getByRole('button', { name: 'Stop using as gold' }));
    await waitFor(() => expect(sent).toEqual([{ method: 'DELETE', url, body: null }]));
  });

  it('has the verdict of who settled it', async () => {
    const user = open({ state: 'adjudicated', adjudication: { verdict: 'b', intensity: 3 } as ComparisonDetail['adjudication'] });
    await user.click(screen.getByRole('button', { name: 'Use as gold' }));
    await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: /use as gold/ }));
    await waitFor(() => expect(sent).toEqual([{ method: 'PUT', url, body: { preferred: 'b', intensity: 3 } }]));
  });

  it('is not offered for what should not have been asked', () => {
    open({ state: 'adjudicated', adjudication: { verdict: 'invalid', intensity: null } as ComparisonDetail['adjudication'] });
    expect(screen.queryByRole('button')).toBeNull();
  });
});
