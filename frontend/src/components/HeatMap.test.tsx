import { MantineProvider } from '@mantine/core';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { MemoryRouter } from 'react-router';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HeatMap, moved, tintOf } from './HeatMap';

beforeEach(() => vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} })));
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('a heat map', () => {
  it('is tinted by the sign and the size', () => {
    expect(tintOf(0.4)).toEqual({ side: 'high', share: 0.4 });
    expect(tintOf(-0.4)).toEqual({ side: 'low', share: 0.4 });
    expect(tintOf(null)).toEqual({ side: 'none', share: 0 });
  });

  it('is walked by arrows: over the diagonal, not over the edge', () => {
    expect(moved('ArrowRight', 0, 1, 3)).toEqual([0, 2]);
    expect(moved('ArrowRight', 1, 0, 3)).toEqual([1, 2]);
    expect(moved('ArrowDown', 0, 1, 3)).toEqual([2, 1]);
    expect(moved('ArrowRight', 0, 2, 3)).toEqual([0, 2]);
    expect(moved('ArrowUp', 1, 0, 3)).toEqual([1, 0]);
    expect(moved('End', 2, 0, 3)).toEqual([2, 1]);
    expect(moved('Home', 0, 2, 3)).toEqual([0, 1]);
    expect(moved('a', 0, 1, 3)).toBeNull();
  });

  it('is a table whose cells say all, open what is behind them, and are one stop of the tab key', () => {
    render(
      <MantineProvider env="test">
        <MemoryRouter>
          <HeatMap
            label="Pairs"
            hint="Point at a pair."
            names={['L-1', 'L-2', 'L-3']}
            linkOf={(position) => `/labellers/${position}`}
            cell={(row, column) =>
              row + column === 3
                ? { value: null, about: `${row} ${column}: too few`, to: null }
                : { value: 0.5, about: `${row} ${column}: half`, to: `/ratings/${row}-${column}` }
            }
          />
        </MemoryRouter>
      </MantineProvider>,
    );
    expect(screen.getByRole('table', { name: 'Pairs' })).toBeTruthy();
    expect(screen.getAllByRole('rowheader').map((head) => head.textContent)).toEqual(['L-1', 'L-2', 'L-3']);
    const first = screen.getByRole<HTMLAnchorElement>('link', { name: '0 1: half' });
    expect([first.textContent, first.getAttribute('href'), first.tabIndex]).toEqual(['0.50', '/ratings/0-1', 0]);
    expect(document.querySelectorAll('[data-at][tabindex="0"]')).toHaveLength(1);
    act(() => first.focus());
    expect(screen.getByText('0 1: half')).toBeTruthy();
    fireEvent.keyDown(first, { key: 'ArrowDown' });
    const next = screen.getByRole('img', { name: '2 1: too few' });
    expect(document.activeElement).toBe(next);
    expect([next.textContent, next.tabIndex, first.tabIndex]).toEqual(['–', 0, -1]);
  });
});
