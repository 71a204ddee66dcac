import { Group, Paper, Stack, Text, Tooltip } from '@mantine/core';
import type { Stat } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

type Style = 'percent' | 'number';
type Unit = 'comparison' | 'rating';
const show = (value: number | null, style: Style) => (style === 'percent' ? percent(value) : number(value, 3));

/** "61.0 % to 74.2 %", or '' where there is no interval. */
const rangeOf = ({ low, high }: Stat, style: Style) =>
  low === null ? '' : t('{{low}} to {{high}}', { low: show(low, style), high: show(high, style) });

const counted = (count: number, unit: Unit) =>
  unit === 'rating' ? t('{{count}} ratings', { count }) : t('{{count}} comparisons', { count });

/** A statistic with its interval and n; "too few" where there is no number. */
export function StatText({ stat, style = 'percent', unit = 'comparison' }: { stat: Stat; style?: Style; unit?: Unit }) {
  const n = counted(stat.n, unit);
  if (stat.value === null) {
    return (
      <Tooltip label={stat.too_few ? t('Rests on {{n}}: too few to say', { n }) : t('Not defined: everybody gave the same answer')}>
        <Text span inherit c="dimmed" fs="italic">
          {stat.too_few ? t('too few') : t('undefined')}
        </Text>
      </Tooltip>
    );
  }
  const range = rangeOf(stat, style);
  const basis = range ? t('95 % interval ({{range}}), over {{n}}', { range, n }) : t('Over {{n}}', { n });
  return (
    <Tooltip label={stat.too_few ? t('{{basis}}: too few to rely on', { basis }) : basis}>
      <Text span inherit style={{ fontVariantNumeric: 'tabular-nums' }}>
        {show(stat.value, style)}
        <Text span c="dimmed" size="sm">
          {range && ` (${range})`}
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
  unit?: Unit;
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
              ? t('Too few: {{n}}', { n: counted(stat.n, unit) })
              : t('Undefined: all the same answer')
            : [rangeOf(stat, style), `n = ${number(stat.n)}`, stat.too_few && t('too few to rely on')].filter(Boolean).join(', ')}
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
