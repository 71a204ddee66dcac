import { Text, Tooltip } from '@mantine/core';
import { dateAndTime, timeAgo } from '@/lib/format';

export function TimeAgo({ at }: { at: string | null }) {
  if (!at) return <Text span c="dimmed">–</Text>;
  return (
    <Tooltip label={dateAndTime(at)}>
      <Text span inherit component="time" dateTime={at} style={{ whiteSpace: 'nowrap' }}>
        {timeAgo(at)}
      </Text>
    </Tooltip>
  );
}
