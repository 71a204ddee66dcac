import { Badge } from '@mantine/core';

/** Marks what the demo made. */
export function DemoBadge() {
  return (
    <Badge color="yellow.3" c="dark.9" tt="none">
      demo
    </Badge>
  );
}
