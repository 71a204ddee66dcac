import { Anchor, Group, Paper, Stack, Text, Tooltip } from '@mantine/core';
import { Link } from 'react-router';
import type { Stat } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

type Style = 'percent' | 'number';
type Unit = 'comparison' | 'rating';
const show = (value: number | null, style: Style) => (style === 'percent' ? percent(value) : number(value, 3));

/** "61.0 % to 74.2 %", or '' where there is no interval. */
export const rangeOf = ({ low, high }: Stat, style: Style = 'percent') =>
  low === null ? '' : t('{{low}} to {{high}}', { low: show(low, style), high: show(high, style) });

const counted = (count: number, unit: Unit) =>
  unit === 'rating' ? t('{{count}} ratings', { count }) : t('{{count}} comparisons', { count });

interface TextProps {
  stat: Stat;
  style?: Style;
  unit?: Unit;
  /** With the interval below the value, for tables of many columns. */
  isStacked?: boolean;
}

/** A statistic with its interval and n; "too few" where there is no number. */
export function StatText({ stat, style = 'percent', unit = 'comparison', isStacked = false }: TextProps) {
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
        {range && (
          <Text span c="dimmed" size={isStacked ? 'xs' : 'sm'} display={isStacked ? 'block' : undefined} style={{ whiteSpace: 'nowrap' }}>
            {isStacked ? range : ` (${range})`}
          </Text>
        )}
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
  /** The page with what is behind the number. */
  to?: string;
}

/** A card's number, which opens what is behind it. */
function Figure({ label, text, to }: { label: string; text: string; to?: string }) {
  return (
    <Text fz={28} fw={650} lh={1.2} style={{ fontVariantNumeric: 'tabular-nums' }}>
      {to ? (
        <Anchor component={Link} to={to} inherit c="inherit" underline="hover" aria-label={t('{{label}}: {{value}}, open what is behind it', { label, value: text })}>
          {text}
        </Anchor>
      ) : (
        text
      )}
    </Text>
  );
}

export function StatCard({ label, stat, style = 'percent', help, unit = 'comparison', to }: CardProps) {
  return (
    <Paper withBorder p="md" radius="md">
      <Stack gap={2}>
        <Text size="sm" c="dimmed">
          {label}
        </Text>
        <Figure label={label} text={stat.value === null ? '–' : show(stat.value, style)} to={to} />
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

interface CountProps {
  label: string;
  /** A number, or what is written as it is: an amount, a date. */
  value: number | string;
  hint?: string;
  to?: string;
}

export function CountCard({ label, value, hint, to }: CountProps) {
  return (
    <Paper withBorder p="md" radius="md">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Group align="baseline" gap={6}>
        <Figure label={label} text={typeof value === 'number' ? number(value) : value} to={to} />
        {hint && (
          <Text size="sm" c="dimmed">
            {hint}
          </Text>
        )}
      </Group>
    </Paper>
  );
}
