import { MantineProvider, Table } from '@mantine/core';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { nextOrdering, SortableTh } from './SortableTh';

beforeEach(() => vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} })));
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('begins with the end to look at, then turns round', () => {
  expect(nextOrdering('-n_ratings', 'gold', 'ascending')).toBe('gold');
  expect(nextOrdering('gold', 'gold', 'ascending')).toBe('-gold');
  expect(nextOrdering('-gold', 'gold', 'ascending')).toBe('gold');
  expect(nextOrdering('gold', 'n_ratings', 'descending')).toBe('-n_ratings');
});

it('says how the table is sorted, and sorts by a button', () => {
  const onSort = vi.fn();
  render(
    <MantineProvider env="test">
      <Table>
        <Table.Thead>
          <Table.Tr>
            <SortableTh field="gold" current="-gold" onSort={onSort}>
              Gold
            </SortableTh>
            <SortableTh field="drift" current="-gold" onSort={onSort}>
              Drift
            </SortableTh>
          </Table.Tr>
        </Table.Thead>
      </Table>
    </MantineProvider>,
  );
  expect(screen.getAllByRole('columnheader').map((head) => head.getAttribute('aria-sort'))).toEqual(['descending', 'none']);
  fireEvent.click(screen.getByRole('button', { name: 'Drift' }));
  fireEvent.click(screen.getByRole('button', { name: 'Gold' }));
  expect(onSort.mock.calls).toEqual([['-drift'], ['gold']]);
});
