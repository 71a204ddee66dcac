import { BarChart } from '@mantine/charts';
import { day } from '@/lib/format';

interface Props {
  /** `at` is a day or the Monday of a week. */
  rows: { at: string; n: number }[];
  label: string;
  onOpen?: (at: string) => void;
}

const shortDay = (at: string) => day(at, { day: 'numeric', month: 'short' });

/** How many of something there were, by day or by week. A bar opens what is behind it; the table of its frame does so
 * without a mouse. */
export function BarsPerDay({ rows, label, onOpen }: Props) {
  return (
    <BarChart
      h={220}
      data={rows}
      dataKey="at"
      series={[{ name: 'n', label, color: 'var(--chart-main)' }]}
      xAxisProps={{ tickFormatter: shortDay, minTickGap: 16 }}
      tooltipProps={{ labelFormatter: (at) => day(String(at)) }}
      barProps={
        onOpen && {
          cursor: 'pointer',
          onClick: ({ payload }: { payload?: { at?: string } }) => payload?.at && onOpen(payload.at),
        }
      }
      barChartProps={{ accessibilityLayer: false }}
    />
  );
}
