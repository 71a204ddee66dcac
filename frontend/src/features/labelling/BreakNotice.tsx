import { Alert, Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { t } from '@/lib/i18n';

/** Judgement suffers before one notices: a pause is suggested after so much work. */
const BREAK_AFTER_MS = 50 * 60_000;

interface Props {
  /** Active time of this visit, in milliseconds. */
  activeMs: number;
}

/** Suggests a break after each 50 minutes of active time, and never stops anybody. */
export function BreakNotice({ activeMs }: Props) {
  const [dismissedAt, setDismissedAt] = useState(0);
  const minutes = Math.round((activeMs - dismissedAt) / 60_000);
  if (activeMs - dismissedAt < BREAK_AFTER_MS) return null;
  return (
    <Alert color="blue" p="xs" role="status">
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {t('{{minutes}} minutes of rating without a break: a short walk does the next answers good.', { minutes })}
        </Text>
        <Button size="compact-sm" variant="default" onClick={() => setDismissedAt(activeMs)}>
          {t('Later')}
        </Button>
      </Group>
    </Alert>
  );
}
