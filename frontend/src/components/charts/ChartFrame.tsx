import { Anchor, Button, Card, Group, Table, Text, Title, VisuallyHidden } from '@mantine/core';
import { IconChartBar, IconTable } from '@tabler/icons-react';
import { useId, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { t } from '@/lib/i18n';

export interface ChartColumn<T> {
  title: string;
  text: (row: T) => string;
  /** The page with what is behind the number. */
  to?: (row: T) => string | null;
  align?: 'left' | 'right';
}

interface Props<T> {
  title: string;
  description?: ReactNode;
  /** What else stands in the head, such as the download. */
  actions?: ReactNode;
  chart: ReactNode;
  rows: T[];
  rowKey: (row: T) => string | number;
  columns: ChartColumn<T>[];
  /** Shown instead of a chart without rows. */
  empty: string;
}

/** A chart and the table behind it. The chart itself is for the eyes: screen readers are given the table, and everybody
 * is with "Show as table", where the numbers are links. */
export function ChartFrame<T>({ title, description, actions, chart, rows, rowKey, columns, empty }: Props<T>) {
  const [isTable, setTable] = useState(false);
  const heading = useId();
  return (
    <Card component="section" withBorder radius="lg" padding="lg" aria-labelledby={heading} style={{ minWidth: 0 }}>
      <Group justify="space-between" align="flex-start" mb="sm" gap="xs">
        <Title order={2} id={heading}>
          {title}
        </Title>
        {rows.length > 0 && (
          <Group gap="xs">
            {actions}
            <Button
              size="xs"
              variant="default"
              aria-label={isTable ? t('Show as chart: {{title}}', { title }) : t('Show as table: {{title}}', { title })}
              leftSection={isTable ? <IconChartBar size={14} aria-hidden /> : <IconTable size={14} aria-hidden />}
              onClick={() => setTable(!isTable)}
            >
              {isTable ? t('Show as chart') : t('Show as table')}
            </Button>
          </Group>
        )}
      </Group>
      {description && (
        <Text size="sm" c="dimmed" mb="sm" component="div">
          {description}
        </Text>
      )}
      {rows.length === 0 ? (
        <Text c="dimmed">{empty}</Text>
      ) : isTable ? (
        <Table.ScrollContainer minWidth={320} mah={360} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Rows title={title} rows={rows} rowKey={rowKey} columns={columns} areLinks />
        </Table.ScrollContainer>
      ) : (
        <>
          <div aria-hidden>{chart}</div>
          <VisuallyHidden>
            <Rows title={title} rows={rows} rowKey={rowKey} columns={columns} />
          </VisuallyHidden>
        </>
      )}
    </Card>
  );
}

/** Without links where nobody would see what has the focus. */
function Rows<T>({ title, rows, rowKey, columns, areLinks }: Pick<Props<T>, 'title' | 'rows' | 'rowKey' | 'columns'> & { areLinks?: boolean }) {
  return (
    <Table aria-label={title} verticalSpacing={6}>
      <Table.Thead>
        <Table.Tr>
          {columns.map((column) => (
            <Table.Th key={column.title} scope="col" ta={column.align}>
              {column.title}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={rowKey(row)}>
            {columns.map((column) => {
              const to = areLinks && column.to?.(row);
              return (
                <Table.Td key={column.title} ta={column.align} style={{ fontVariantNumeric: 'tabular-nums' }}>
                  {to ? (
                    <Anchor component={Link} to={to}>
                      {column.text(row)}
                    </Anchor>
                  ) : (
                    column.text(row)
                  )}
                </Table.Td>
              );
            })}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
