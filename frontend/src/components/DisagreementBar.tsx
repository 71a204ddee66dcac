import { Alert, Anchor, Group, Paper, Progress, Text } from '@mantine/core';
import { Link } from 'react-router';
import type { Disagreement } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';

/** How often ratings differ, against the project's limit, and how the comparisons divide. Each part opens its ratings. */
export function DisagreementBar({ found, slug }: { found: Disagreement; slug: string }) {
  const { rate, limit, is_above, unanimous, majority, split } = found;
  const total = unanimous + majority + split;
  const parts = [
    { level: 'unanimous', label: t('unanimous'), n: unanimous, color: 'teal' },
    { level: 'majority', label: t('majority'), n: majority, color: 'yellow' },
    { level: 'split', label: t('split'), n: split, color: 'red' },
  ];
  return (
    <>
      {is_above && (
        <Alert color="orange" mb="sm" styles={{ title: { color: 'var(--mantine-color-text)' } }} title={t('Above the project’s limit of {{limit}}', { limit: percent(limit, 0) })}>
          {t('Look at what splits the labellers: mostly it is one kind of case that the guidelines do not settle.')}
        </Alert>
      )}
      <Paper withBorder p="md" radius="md">
        <Text mb="xs">
          {rate === null
            ? t('No comparison has two ratings yet.')
            : t('Two ratings of the same comparison differ in {{rate}} of the cases; the limit is {{limit}}.', {
                rate: percent(rate),
                limit: percent(limit, 0),
              })}
        </Text>
        {total > 0 && (
          <>
            <Progress.Root size={22} aria-label={t('Comparisons by agreement')}>
              {parts.map(({ level, label, n, color }) => (
                <Progress.Section key={level} value={(100 * n) / total} color={color} aria-label={`${label}: ${n}`} />
              ))}
            </Progress.Root>
            <Group gap="lg" mt="xs">
              {parts.map(({ level, label, n, color }) => (
                <Group key={level} gap={6}>
                  <span aria-hidden style={{ width: 10, height: 10, borderRadius: 5, background: `var(--mantine-color-${color}-filled)` }} />
                  <Anchor component={Link} to={ratingsOf(slug, { agreement: level })} size="sm">
                    {label} {number(n)} ({percent(n / total, 0)})
                  </Anchor>
                </Group>
              ))}
            </Group>
          </>
        )}
      </Paper>
    </>
  );
}
