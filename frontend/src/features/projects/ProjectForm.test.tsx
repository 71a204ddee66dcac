import { MantineProvider } from '@mantine/core';
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/lib/api/client';
import { DEFAULTS, ProjectForm, type ProjectValues } from './ProjectForm';

const INITIAL: ProjectValues = { ...DEFAULTS, name: 'Helpfulness' };
const onSubmit = vi.fn<(values: ProjectValues) => Promise<void>>();

function show(changes: Partial<ProjectValues> = {}) {
  onSubmit.mockReset().mockResolvedValue();
  render(
    <MantineProvider env="test">
      <ProjectForm initial={{ ...INITIAL, ...changes }} submitLabel="Save" onSubmit={onSubmit} />
    </MantineProvider>,
  );
  return userEvent.setup({ delay: null });
}

const save = (user: ReturnType<typeof show>) => user.click(screen.getByRole('button', { name: 'Save' }));
const field = (name: string | RegExp) => screen.getByRole<HTMLInputElement>('textbox', { name });
const write = (name: string, value: string) => fireEvent.change(field(name), { target: { value } });
/** The descriptions and the error that a screen reader tells of a field. */
const saidOf = (input: HTMLElement) =>
  (input.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent).join(' ');
const sent = () => onSubmit.mock.lastCall?.[0];

// What jsdom lacks.
beforeEach(() => {
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  Object.defineProperty(document, 'fonts', { configurable: true, value: new EventTarget() });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('the settings of a project', () => {
  it('are sent as they came when nothing is touched', async () => {
    const given = { gold_floor: 0.7, sensitive_per_day: 5, ranking_size: 4, bucket_axis: 'safety', bucket_labels: ['both', 'neither'] };
    const user = show(given);
    await save(user);
    expect(sent()).toEqual({ ...INITIAL, ...given });
  });

  it('have shares in per cent, with a decimal', async () => {
    const user = show();
    const gold = field('Gold');
    expect(gold.value).toBe('5\u00a0%');
    await user.clear(gold);
    await user.type(gold, '2.5');
    await save(user);
    expect(sent()).toMatchObject({ gold_rate: 0.025 });
  });

  it('have no floor and no cap where the field is empty', async () => {
    const user = show({ gold_floor: 0.7, sensitive_per_day: 5 });
    await user.clear(field('Pause below'));
    await user.clear(field('Such pairs a day, at most'));
    await save(user);
    expect(sent()).toMatchObject({ gold_floor: null, sensitive_per_day: null });
  });

  it('have a pay with its cents and a currency in capitals, or neither', async () => {
    const user = show();
    await user.type(field('Pay per hour'), '21.5');
    await user.type(field(/^Currency/), 'eur');
    await save(user);
    expect(sent()).toMatchObject({ pay_per_hour: '21.50', currency: 'EUR' });
    await user.clear(field('Pay per hour'));
    await save(user);
    expect(sent()).toMatchObject({ pay_per_hour: null });
  });

  it('have a second question with its answers, or neither', async () => {
    const user = show();
    const second = screen.getByLabelText('Ask a second question');
    await user.click(second);
    write('What it asks for', 'safety');
    write('Its answers: 1 of 2', 'safe');
    write('Its answers: 2 of 2', 'unsafe');
    await save(user);
    expect(sent()).toMatchObject({ bucket_axis: 'safety', bucket_labels: ['safe', 'unsafe'] });
    await user.click(second);
    await save(user);
    expect(sent()).toMatchObject({ bucket_axis: '', bucket_labels: [] });
  });

  it('show what the server refuses at the field, which is gone to', async () => {
    const user = show();
    onSubmit.mockRejectedValue(
      new ApiError(400, 'invalid', '', [
        { field: 'max_ratings', message: 'Must be at least min_ratings.' },
        { field: 'gold_floor', message: 'Too much.' },
      ]),
    );
    await save(user);
    await waitFor(() => expect(document.activeElement).toBe(field('Ratings, at most')));
    expect(saidOf(field('Ratings, at most'))).toContain('Must be at least min_ratings.');
    expect(saidOf(field('Pause below'))).toContain('Too much.');
  });

  it('show above the button what concerns no field', async () => {
    const user = show();
    onSubmit.mockRejectedValue(new ApiError(409, 'intensity_in_use', 'There are ratings stronger than level 2.'));
    await save(user);
    expect((await screen.findByRole('alert')).textContent).toBe('There are ratings stronger than level 2.');
  });

  it('are no longer said to be unsaved once they are', async () => {
    const user = show();
    write('Description', 'What for');
    screen.getByText('Not saved yet');
    await save(user);
    await waitFor(() => expect(screen.queryByText('Not saved yet')).toBeNull());
  });
});
