import { Badge } from '@mantine/core';
import { t } from '@/lib/i18n';

/** Marks what the demo made. */
export function DemoBadge() {
  return (
    <Badge color="yellow.3" c="dark.9" tt="none" style={{ flexShrink: 0 }}>
      {t('demo')}
    </Badge>
  );
}
