import { CompositeChart } from '@mantine/charts';
import { Group, Paper, Text } from '@mantine/core';
import type { SVGProps } from 'react';
import { ChartFrame } from '@/components/charts/ChartFrame';
import { rangeOf } from '@/components/StatValue';
import type { Stat } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { accuracyAt, levelText, lineOf, lowest, points, type Judged, type Level, type Point } from './timeline';
import classes from './Timeline.module.css';

const DASHES: Record<number, string> = { 1: '2 4', 2: '6 4', 3: '12 3 3 3', 4: '12 4' };
const INTERVAL = 'interval';
const colourOf = (level: Level) => `var(--line-${level ?? 'all'})`;
const dashesOf = (level: Level) => (level === null ? undefined : DASHES[level]);

interface Props {
  rows: Judged[];
  levels: number[];
  /** Whose line is thick, in the band of its interval. */
  chosen: Level;
}

/** Held-out accuracy from refresh to refresh: all comparisons, and those of each intensity by themselves. */
export function TimelineChart({ rows, levels, chosen }: Props) {
  const { slug, intensity_labels } = useProject();
  const lines: Level[] = [null, ...levels];
  const title = t('Held-out accuracy by refresh');
  return (
    <ChartFrame
      title={title}
      description={t('Each model on the comparisons of its own set that no model learns from. The band is the 95 % interval of the thick line; hollow points rest on too few comparisons to rely on.')}
      chart={
        <div className={classes.lines}>
          <Legend lines={lines} labels={intensity_labels} />
          <CompositeChart
            h={280}
            data={points(rows, levels, chosen)}
            dataKey="refresh"
            curveType="linear"
            connectNulls={false}
            series={[
              { name: INTERVAL, type: 'area', color: colourOf(chosen) },
              ...lines.map((level) => ({
                name: lineOf(level),
                type: 'line' as const,
                color: colourOf(level),
                strokeDasharray: dashesOf(level),
              })),
            ]}
            areaProps={{ fillOpacity: 0.2, strokeWidth: 0, dot: false, activeDot: false }}
            lineProps={({ name }) => {
              const level = lines.find((one) => lineOf(one) === name) ?? null;
              return {
                strokeWidth: level === chosen ? 3 : 1.5,
                activeDot: false,
                dot: ({ index, cx, cy, payload }: { index: number; cx?: number; cy?: number; payload?: Point }) => (
                  <Dot key={index} cx={cx} cy={cy} stat={payload ? accuracyAt(payload.row, level) : null} color={colourOf(level)} />
                ),
              };
            }}
            xAxisLabel={t('Refresh')}
            xAxisProps={{ minTickGap: 8 }}
            yAxisProps={{ domain: [lowest(rows, levels, chosen), 1], tickFormatter: (value: number) => percent(value, 0), width: 56 }}
            referenceLines={[{ y: 0.5, label: t('coin toss'), labelPosition: 'insideBottomRight', color: 'var(--chart-mark)', strokeDasharray: '4 3' }]}
            tooltipProps={{
              content: ({ payload }) => {
                const found = payload?.[0]?.payload as Point | undefined;
                return found && <Hint row={found.row} lines={lines} labels={intensity_labels} />;
              },
            }}
            composedChartProps={{ accessibilityLayer: false }}
          />
        </div>
      }
      rows={rows.toReversed()}
      rowKey={({ id }) => id}
      columns={[
        { title: t('Refresh'), text: (row) => number(row.number), to: ({ id }) => `/projects/${slug}/refreshes/${id}` },
        { title: t('Reward model'), text: ({ model }) => `v${model.version}`, to: ({ model }) => `/projects/${slug}/reward-models/${model.id}` },
        ...lines.map((level) => ({ title: levelText(level, intensity_labels), text: (row: Judged) => statText(accuracyAt(row, level)) })),
      ]}
      empty={t('No refresh has judged a reward model on held-out comparisons yet.')}
    />
  );
}

/** "71.3 % (66.0 % to 76.1 %), n = 320", with a word where that is too few. */
function statText(stat: Stat | null): string {
  if (!stat || stat.value === null) return '–';
  const range = rangeOf(stat);
  return [`${percent(stat.value)}${range && ` (${range})`}`, `n = ${number(stat.n)}`, stat.too_few && t('too few to rely on')].filter(Boolean).join(', ');
}

interface DotProps extends Pick<SVGProps<SVGCircleElement>, 'cx' | 'cy'> {
  stat: Stat | null;
  color: string;
}

function Dot({ cx, cy, stat, color }: DotProps) {
  if (cx === undefined || cy === undefined || !stat || stat.value === null) return null;
  return <circle cx={cx} cy={cy} r={4} strokeWidth={2} stroke={color} fill={stat.too_few ? 'var(--mantine-color-body)' : color} />;
}

function Legend({ lines, labels }: { lines: Level[]; labels: string[] }) {
  return (
    <Group gap="md" mb="xs">
      {lines.map((level) => (
        <Group key={lineOf(level)} gap={6} wrap="nowrap">
          <svg width={30} height={10}>
            <line x1={0} x2={30} y1={5} y2={5} strokeWidth={2.5} stroke={colourOf(level)} strokeDasharray={dashesOf(level)} />
          </svg>
          <Text size="sm">{levelText(level, labels)}</Text>
        </Group>
      ))}
    </Group>
  );
}

function Hint({ row, lines, labels }: { row: Judged; lines: Level[]; labels: string[] }) {
  return (
    <Paper withBorder shadow="sm" p="xs" radius="md">
      <Text size="sm" fw={600}>
        {t('Refresh {{number}}, v{{version}}', { number: row.number, version: row.model.version })}
      </Text>
      {lines.map((level) => (
        <Text key={lineOf(level)} size="sm">
          {levelText(level, labels)} {statText(accuracyAt(row, level))}
        </Text>
      ))}
    </Paper>
  );
}
