import { CompositeChart } from '@mantine/charts';
import { Paper, Text } from '@mantine/core';
import type { Stat } from '@/lib/api/types';
import { day } from '@/lib/format';

export interface Mark {
  at: string;
  label: string;
}

interface Props {
  rows: { at: string; stat: Stat }[];
  label: string;
  /** Where something changed: a line across the chart. */
  marks?: Mark[];
  /** A value not to be crossed. */
  limit?: { value: number; label: string };
  domain: [number, number];
  show: (value: number) => string;
  height?: number;
}

const shortDay = (at: string) => day(at, { day: 'numeric', month: 'short' });

/** The week that a time is in, of those that are shown: marks stand on a point of the axis. */
export function nearestRow(rows: { at: string }[], at: string): string | null {
  return rows.findLast((row) => row.at <= at)?.at ?? rows[0]?.at ?? null;
}

/** Marks by the point they stand on: several on one share a label. */
export function placed(rows: { at: string }[], marks: Mark[]): Mark[] {
  const byPoint = new Map<string, string[]>();
  for (const { at, label } of marks) {
    const point = nearestRow(rows, at);
    if (point) byPoint.set(point, [...(byPoint.get(point) ?? []), label]);
  }
  return [...byPoint].map(([at, labels]) => ({ at, label: labels.join(', ') }));
}

/** A statistic over time: a line in the band of its interval. */
export function IntervalChart({ rows, label, marks = [], limit, domain, show, height = 220 }: Props) {
  const data = rows.map(({ at, stat }) => ({
    at,
    // A value that rests on too little is no point of the line.
    value: stat.too_few ? null : stat.value,
    interval: stat.too_few || stat.low === null ? null : [stat.low, stat.high],
    stat,
  }));
  return (
    <CompositeChart
      h={height}
      data={data}
      dataKey="at"
      curveType="linear"
      connectNulls={false}
      series={[
        { name: 'interval', type: 'area', color: 'var(--chart-band)' },
        { name: 'value', type: 'line', label, color: 'var(--chart-main)' },
      ]}
      areaProps={{ fillOpacity: 0.35, strokeWidth: 0, dot: false, activeDot: false }}
      xAxisProps={{ tickFormatter: shortDay, minTickGap: 16 }}
      yAxisProps={{ domain, tickFormatter: show, width: 56 }}
      referenceLines={[
        ...placed(rows, marks).map(({ at, label: text }) => ({
          x: at,
          label: text,
          // The label stays inside at the right edge.
          labelPosition: at === rows.at(-1)?.at ? ('insideTopRight' as const) : ('insideTopLeft' as const),
          color: 'var(--chart-mark)',
          strokeDasharray: '4 3',
        })),
        ...(limit ? [{ y: limit.value, label: limit.label, labelPosition: 'insideTopRight' as const, color: 'var(--chart-second)' }] : []),
      ]}
      tooltipProps={{
        content: ({ label: at, payload }) => {
          const found = (payload?.[0]?.payload as { stat?: Stat } | undefined)?.stat;
          return found && <Hint at={String(at)} label={label} stat={found} show={show} />;
        },
      }}
      composedChartProps={{ accessibilityLayer: false }}
    />
  );
}

function Hint({ at, label, stat, show }: { at: string; label: string; stat: Stat; show: Props['show'] }) {
  return (
    <Paper withBorder shadow="sm" p="xs" radius="md">
      <Text size="sm" fw={600}>
        {day(at)}
      </Text>
      <Text size="sm">
        {label} {stat.value === null ? '–' : show(stat.value)}
        {stat.low !== null && stat.high !== null && ` (${show(stat.low)} – ${show(stat.high)})`}
      </Text>
      <Text size="xs" c="dimmed">
        n = {stat.n}
      </Text>
    </Paper>
  );
}
