import { Button, Center, Table } from '@mantine/core';
import type { ReactNode } from 'react';
import { t } from '@/lib/i18n';
import { ErrorState, Loading } from './States';

export interface Column<T> {
  title: ReactNode;
  cell: (row: T) => ReactNode;
  align?: 'left' | 'right';
}

interface Props<T> {
  query: {
    rows: T[] | undefined;
    error: unknown;
    refetch: () => unknown;
    hasNextPage: boolean;
    isFetchingNextPage: boolean;
    fetchNextPage: () => unknown;
  };
  columns: Column<T>[];
  rowKey: (row: T) => string | number;
  label: string;
  empty: ReactNode;
  /** Narrower than this it scrolls. */
  minWidth?: number;
}

/** A table over cursor pages: what is loaded, and a button for more. */
export function PagedTable<T>({ query, columns, rowKey, label, empty, minWidth = 560 }: Props<T>) {
  if (query.error && !query.rows) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  if (!query.rows) return <Loading />;
  if (query.rows.length === 0) return <>{empty}</>;
  return (
    <>
      <Table.ScrollContainer minWidth={minWidth}>
        <Table aria-label={label} verticalSpacing="sm" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column, position) => (
                <Table.Th key={position} ta={column.align}>
                  {column.title}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {query.rows.map((row) => (
              <Table.Tr key={rowKey(row)}>
                {columns.map((column, position) => (
                  <Table.Td key={position} ta={column.align}>
                    {column.cell(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {query.hasNextPage && (
        <Center mt="md">
          <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t('Show more')}
          </Button>
        </Center>
      )}
    </>
  );
}
