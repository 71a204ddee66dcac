import { Box, Group, Stack, Text } from '@mantine/core';
import type { Stat } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';

interface Row {
  label: string;
  stat: Stat;
  isModel?: boolean;
}

const interval = ({ low, high }: Stat) =>
  low === null ? '' : ` (${t('{{low}} to {{high}}', { low: percent(low), high: percent(high) })})`;
const width = (share: number) => `${100 * share}%`;

/** Shares from 0 to 100 % as bars with their 95 % intervals and a line at the coin toss. */
export function AccuracyBars({ rows, label: name = t('Accuracy beside the baselines') }: { rows: Row[]; label?: string }) {
  return (
    <Stack gap="sm" role="list" aria-label={name}>
      {rows.map(({ label, stat, isModel }) => (
        <div key={label} role="listitem">
          <Group justify="space-between" gap="xs">
            <Text size="sm" fw={isModel ? 600 : 400}>
              {label}
            </Text>
            <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
              {stat.value === null ? t('too few') : `${percent(stat.value)}${interval(stat)}`}
            </Text>
          </Group>
          <Box pos="relative" h={18} bg="var(--mantine-color-default-hover)" style={{ borderRadius: 4, overflow: 'hidden' }} aria-hidden>
            <Box
              h="100%"
              w={width(stat.value ?? 0)}
              bg={isModel ? 'var(--mantine-primary-color-filled)' : 'var(--mantine-color-gray-5)'}
              style={{ borderRadius: 4 }}
            />
            <Box pos="absolute" top={0} bottom={0} left="50%" w={1} bg="var(--mantine-color-dimmed)" opacity={0.6} />
            {stat.low !== null && stat.high !== null && (
              <Box
                pos="absolute"
                top={8}
                h={2}
                left={width(stat.low)}
                w={width(stat.high - stat.low)}
                bg="var(--mantine-color-text)"
              />
            )}
          </Box>
        </div>
      ))}
    </Stack>
  );
}
