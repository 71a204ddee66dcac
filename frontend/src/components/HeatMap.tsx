import { Group, Text } from '@mantine/core';
import { useRef, useState, type KeyboardEvent } from 'react';
import { Link } from 'react-router';
import { number } from '@/lib/format';
import classes from './HeatMap.module.css';

export interface HeatCell {
  /** From −1 to 1; null where there is none. */
  value: number | null;
  /** All about it, for whoever points at it, has the focus on it or hears it. */
  about: string;
  /** What is behind it. */
  to: string | null;
}

interface Props {
  label: string;
  names: string[];
  /** Names of rows are pages. */
  linkOf: (position: number) => string;
  cell: (row: number, column: number) => HeatCell;
  /** What is said before anything is pointed at. */
  hint: string;
}

/** How strongly a value is tinted, and which way. */
export function tintOf(value: number | null): { side: 'high' | 'low' | 'none'; share: number } {
  if (value === null) return { side: 'none', share: 0 };
  return { side: value < 0 ? 'low' : 'high', share: Math.min(1, Math.abs(value)) };
}

/** Where an arrow leads from a cell: past those on the diagonal, which are empty, and not over the edge. */
export function moved(key: string, row: number, column: number, size: number): [number, number] | null {
  const step: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const by = step[key];
  if (key === 'Home') return row === 0 ? [row, 1] : [row, 0];
  if (key === 'End') return row === size - 1 ? [row, size - 2] : [row, size - 1];
  if (!by) return null;
  let [r, c] = [row + by[0], column + by[1]];
  if (r === c) [r, c] = [r + by[0], c + by[1]];
  return r >= 0 && c >= 0 && r < size && c < size ? [r, c] : [row, column];
}

/** A square of values between every two of `names`, as a table. One cell is in the order of tabs; arrows go on from it. */
export function HeatMap({ label, names, linkOf, cell, hint }: Props) {
  const [at, setAt] = useState<[number, number]>([0, 1]);
  const [about, setAbout] = useState('');
  const table = useRef<HTMLTableElement>(null);
  const move = (event: KeyboardEvent, row: number, column: number) => {
    const to = moved(event.key, row, column, names.length);
    if (!to) return;
    event.preventDefault();
    setAt(to);
    table.current?.querySelector<HTMLElement>(`[data-at="${to[0]}-${to[1]}"]`)?.focus();
  };
  return (
    <>
      <Group justify="space-between" mb="xs" gap="xs" mih={24}>
        <Text size="sm" c={about ? undefined : 'dimmed'} aria-hidden>
          {about || hint}
        </Text>
        <Group gap={6} aria-hidden>
          <Text size="xs" c="dimmed">
            −1
          </Text>
          <span className={classes.legend} />
          <Text size="xs" c="dimmed">
            1
          </Text>
        </Group>
      </Group>
      {/* Its cells scroll into view by themselves as the focus goes through them. */}
      <div style={{ overflow: 'auto', maxHeight: '75vh', paddingBottom: 4 }}>
        <table ref={table} className={classes.map} aria-label={label} onMouseLeave={() => setAbout('')}>
          <thead>
            <tr>
              <td />
              {names.map((name) => (
                <th key={name} scope="col">
                  <span>{name}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((name, row) => (
              <tr key={name}>
                <th scope="row">
                  <Link to={linkOf(row)} style={{ color: 'inherit' }}>
                    {name}
                  </Link>
                </th>
                {names.map((_, column) => {
                  if (row === column) return <td key={column} />;
                  const { value, about: all, to } = cell(row, column);
                  const { side, share } = tintOf(value);
                  const shared = {
                    className: `${classes.cell} ${classes[side]}`,
                    style: { '--share': share } as React.CSSProperties,
                    'data-at': `${row}-${column}`,
                    tabIndex: at[0] === row && at[1] === column ? 0 : -1,
                    'aria-label': all,
                    onFocus: () => {
                      setAbout(all);
                      setAt([row, column]);
                    },
                    onMouseEnter: () => setAbout(all),
                    onKeyDown: (event: KeyboardEvent) => move(event, row, column),
                  };
                  return (
                    <td key={column}>
                      {to ? (
                        <Link to={to} {...shared}>
                          {number(value, 2)}
                        </Link>
                      ) : (
                        <span role="img" {...shared}>
                          {'–'}
                        </span>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
