import { Group, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';
import type { ReactNode } from 'react';

/** The other way round where it is sorted by this already, else as `first` says. An ordering is a field's name, with a
 * minus where the greatest come first. */
export function nextOrdering(current: string, field: string, first: 'ascending' | 'descending'): string {
  if (current === field) return `-${field}`;
  if (current === `-${field}`) return field;
  return first === 'descending' ? `-${field}` : field;
}

export function sortOf(current: string, field: string): 'ascending' | 'descending' | 'none' {
  if (current === field) return 'ascending';
  return current === `-${field}` ? 'descending' : 'none';
}

const ICONS = { ascending: IconArrowUp, descending: IconArrowDown, none: IconArrowsSort };

interface Props {
  field: string;
  current: string;
  onSort: (ordering: string) => void;
  /** Which end is the one to look at. */
  first?: 'ascending' | 'descending';
  align?: 'left' | 'right';
  children: ReactNode;
}

/** The head of a column that the table can be sorted by. */
export function SortableTh({ field, current, onSort, first = 'descending', align = 'left', children }: Props) {
  const sort = sortOf(current, field);
  const Icon = ICONS[sort];
  return (
    <Table.Th scope="col" aria-sort={sort} ta={align}>
      <UnstyledButton onClick={() => onSort(nextOrdering(current, field, first))} style={{ fontWeight: 'inherit', fontSize: 'inherit' }}>
        <Group gap={4} wrap="nowrap" justify={align === 'right' ? 'flex-end' : 'flex-start'}>
          <Text span inherit>
            {children}
          </Text>
          <Icon size={14} aria-hidden style={{ flexShrink: 0, opacity: sort === 'none' ? 0.5 : 1 }} />
        </Group>
      </UnstyledButton>
    </Table.Th>
  );
}
