import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capability, Member, Project } from '@/lib/api/types';
import { ProjectContext } from '@/lib/session';
import { MembersPage } from './MembersPage';

const REASON = '3 of your latest 10 answers to pairs with a known answer agree with it.';
let members: Member[];
let sent: { method: string; path: string; body: unknown }[];

const member = (id: number, changes: Partial<Member> = {}): Member => ({
  id,
  user: { id, name: `Person ${id}`, email: `${id}@example.org`, pseudonym: `L-${id}`, kind: 'person' },
  role: 'labeller',
  is_active: true,
  paused_at: null,
  pause_reason: '',
  excluded_at: null,
  exclusion_reason: '',
  reliability: null,
  joined_at: '2026-09-01T00:00:00Z',
  ...changes,
});

/** A server that pauses and resumes. */
function answer(url: string, { method = 'GET', body }: RequestInit = {}) {
  const path = new URL(url, 'http://x').pathname.replace('/api/v1/projects/p/', '');
  const json = (value: unknown, status = 200) =>
    Promise.resolve(new Response(value === null ? null : JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json' } }));
  if (method === 'GET') return json({ next: null, previous: null, results: path === 'members' ? members : [] });
  const asked = typeof body === 'string' ? (JSON.parse(body) as { reason?: string }) : null;
  sent.push({ method, path, body: asked });
  const id = Number(path.split('/')[1]);
  members = members.map((one) =>
    one.id === id ? { ...one, paused_at: asked?.reason ? '2026-11-01T00:00:00Z' : null, pause_reason: asked?.reason ?? '' } : one,
  );
  return json(members.find((one) => one.id === id));
}

function open(...capabilities: Capability[]) {
  const project = { slug: 'p', capabilities } as Partial<Project> as Project;
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter>
          <ProjectContext.Provider value={project}>
            <MembersPage />
          </ProjectContext.Provider>
        </MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

beforeEach(() => {
  members = [member(1, { reliability: 0.914 }), member(2, { paused_at: '2026-11-01T00:00:00Z', pause_reason: REASON })];
  sent = [];
  vi.stubGlobal('fetch', vi.fn(answer));
  // What jsdom lacks.
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const row = (name: string) => screen.findByRole('row', { name: new RegExp(name) });

describe('members', () => {
  it('show who is paused, why, and how reliable they are', async () => {
    open('review');
    const paused = await row('Person 2');
    within(paused).getByText('paused');
    within(paused).getByText(REASON);
    within(await row('Person 1')).getByText(/^91\s%$/);
    expect(screen.queryByRole('button', { name: /Actions for/ })).toBeNull();
  });

  it('are paused by a reviewer with a reason', async () => {
    const user = open('review', 'adjudicate');
    await user.click(await screen.findByRole('button', { name: 'Actions for Person 1' }));
    await user.click(await screen.findByRole('menuitem', { name: 'Pause' }));
    const dialog = await screen.findByRole('dialog', { name: 'Pause Person 1?' });
    fireEvent.change(within(dialog).getByRole('textbox', { name: 'Reason' }), { target: { value: 'Only ever A.' } });
    await user.click(within(dialog).getByRole('button', { name: 'Pause' }));
    await waitFor(async () => within(await row('Person 1')).getByText('Only ever A.'));
    expect(sent).toEqual([{ method: 'POST', path: 'members/1/pause', body: { reason: 'Only ever A.' } }]);
  });

  it('go on when a reviewer lets them', async () => {
    const user = open('review', 'adjudicate');
    await user.click(await screen.findByRole('button', { name: 'Actions for Person 2' }));
    await user.click(await screen.findByRole('menuitem', { name: 'Let them go on' }));
    await waitFor(async () => within(await row('Person 2')).getByText('active'));
    expect(sent).toEqual([{ method: 'DELETE', path: 'members/2/pause', body: null }]);
  });
});
