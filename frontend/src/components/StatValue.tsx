import { Group, Paper, Stack, Text, Tooltip } from '@mantine/core';
import type { Stat } from '@/lib/api/types';
import { number, percent, plural } from '@/lib/format';

type Style = 'percent' | 'number';
const show = (value: number | null, style: Style) => (style === 'percent' ? percent(value) : number(value, 3));

/** A statistic with its interval and n; "too few" where there is no number. */
export function StatText({ stat, style = 'percent', unit = 'comparison' }: { stat: Stat; style?: Style; unit?: string }) {
  const n = plural(stat.n, unit);
  if (stat.value === null) {
    return (
      <Tooltip label={stat.too_few ? `Rests on ${n}: too few to say` : 'Not defined: everybody gave the same answer'}>
        <Text span inherit c="dimmed" fs="italic">
          {stat.too_few ? 'too few' : 'undefined'}
        </Text>
      </Tooltip>
    );
  }
  const interval = stat.low === null ? '' : ` (${show(stat.low, style)} to ${show(stat.high, style)})`;
  const basis = interval ? `95 % interval${interval}, over ${n}` : `Over ${n}`;
  return (
    <Tooltip label={stat.too_few ? `${basis}: too few to rely on` : basis}>
      <Text span inherit style={{ fontVariantNumeric: 'tabular-nums' }}>
        {show(stat.value, style)}
        <Text span c="dimmed" size="sm">
          {interval}
        </Text>
      </Text>
    </Tooltip>
  );
}

interface CardProps {
  label: string;
  stat: Stat;
  style?: Style;
  help?: string;
  unit?: string;
}

export function StatCard({ label, stat, style = 'percent', help, unit = 'comparison' }: CardProps) {
  return (
    <Paper withBorder p="md" radius="md">
      <Stack gap={2}>
        <Text size="sm" c="dimmed">
          {label}
        </Text>
        <Text fz={28} fw={650} lh={1.2} style={{ fontVariantNumeric: 'tabular-nums' }}>
          {stat.value === null ? '–' : show(stat.value, style)}
        </Text>
        <Text size="sm" c="dimmed">
          {stat.value === null
            ? stat.too_few
              ? `Too few: ${plural(stat.n, unit)}`
              : 'Undefined: all the same answer'
            : `${stat.low === null ? '' : `${show(stat.low, style)} to ${show(stat.high, style)}, `}n = ${number(stat.n)}${
                stat.too_few ? ', too few to rely on' : ''
              }`}
        </Text>
        {help && (
          <Text size="xs" c="dimmed">
            {help}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}

export function CountCard({ label, value, hint }: { label: string; value: number; hint?: string }) {
  return (
    <Paper withBorder p="md" radius="md">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Group align="baseline" gap={6}>
        <Text fz={28} fw={650} lh={1.2} style={{ fontVariantNumeric: 'tabular-nums' }}>
          {number(value)}
        </Text>
        {hint && (
          <Text size="sm" c="dimmed">
            {hint}
          </Text>
        )}
      </Group>
    </Paper>
  );
}
