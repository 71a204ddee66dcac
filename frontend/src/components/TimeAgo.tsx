import { Text, Tooltip } from '@mantine/core';
import { timeAgo } from '@/lib/format';

export function TimeAgo({ at }: { at: string | null }) {
  if (!at) return <Text span c="dimmed">–</Text>;
  return (
    <Tooltip label={new Date(at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' })}>
      <Text span inherit component="time" dateTime={at} style={{ whiteSpace: 'nowrap' }}>
        {timeAgo(at)}
      </Text>
    </Tooltip>
  );
}
