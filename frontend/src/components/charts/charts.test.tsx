import { MantineProvider } from '@mantine/core';
import { cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ChartFrame } from './ChartFrame';
import { nearestRow, placed } from './IntervalChart';

beforeEach(() => {
  vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const WEEKS = [{ at: '2026-11-09' }, { at: '2026-11-16' }, { at: '2026-11-23' }];

it('puts a mark on the week it is in, on the first where it is older', () => {
  expect(nearestRow(WEEKS, '2026-11-18')).toBe('2026-11-16');
  expect(nearestRow(WEEKS, '2026-11-16')).toBe('2026-11-16');
  expect(nearestRow(WEEKS, '2026-01-01')).toBe('2026-11-09');
  expect(nearestRow([], '2026-01-01')).toBeNull();
});

it('gives marks of one week one label', () => {
  const marks = [
    { at: '2026-11-17', label: 'v2' },
    { at: '2026-11-20', label: 'v3' },
    { at: '2026-11-25', label: 'v4' },
  ];
  expect(placed(WEEKS, marks)).toEqual([
    { at: '2026-11-16', label: 'v2, v3' },
    { at: '2026-11-23', label: 'v4' },
  ]);
});

function show(rows: { day: string; n: number }[]) {
  render(
    <MantineProvider env="test">
      <MemoryRouter>
        <ChartFrame
          title="Ratings per day"
          chart={<svg data-testid="chart" />}
          rows={rows}
          rowKey={({ day }) => day}
          columns={[
            { title: 'Day', text: ({ day }) => day },
            { title: 'Ratings', text: ({ n }) => String(n), to: ({ day }) => (day === 'Monday' ? `/ratings?on=${day}` : null) },
          ]}
          empty="Nothing yet."
        />
      </MemoryRouter>
    </MantineProvider>,
  );
}

it('has the table behind the chart, without links that nobody sees', () => {
  show([{ day: 'Monday', n: 3 }]);
  expect(screen.getByTestId('chart').closest('[aria-hidden]')).toBeTruthy();
  const table = screen.getByRole('table', { name: 'Ratings per day' });
  expect(within(table).getAllByRole('cell').map((cell) => cell.textContent)).toEqual(['Monday', '3']);
  expect(screen.queryByRole('link')).toBeNull();
});

it('shows the table instead, with links where there is something behind', () => {
  show([
    { day: 'Monday', n: 3 },
    { day: 'Tuesday', n: 5 },
  ]);
  fireEvent.click(screen.getByRole('button', { name: 'Show as table: Ratings per day' }));
  expect(screen.queryByTestId('chart')).toBeNull();
  expect(screen.getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual(['/ratings?on=Monday']);
  fireEvent.click(screen.getByRole('button', { name: 'Show as chart: Ratings per day' }));
  expect(screen.getByTestId('chart')).toBeTruthy();
});

it('says that there is nothing to show', () => {
  show([]);
  expect(screen.getByText('Nothing yet.')).toBeTruthy();
  expect(screen.queryByRole('button')).toBeNull();
});
