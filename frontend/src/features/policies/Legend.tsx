import { Group, Text } from '@mantine/core';

export interface LegendLine {
  label: string;
  color: string;
  dashes?: string;
  /** Of separate points, not a line. */
  isDot?: boolean;
}

/** What the lines of a chart are. */
export function Legend({ lines }: { lines: LegendLine[] }) {
  return (
    <Group gap="md" mb="xs">
      {lines.map(({ label, color, dashes, isDot }) => (
        <Group key={label} gap={6} wrap="nowrap">
          <svg width={30} height={10}>
            {isDot ? (
              <circle cx={15} cy={5} r={4} fill={color} />
            ) : (
              <line x1={0} x2={30} y1={5} y2={5} strokeWidth={2.5} stroke={color} strokeDasharray={dashes} />
            )}
          </svg>
          <Text size="sm">{label}</Text>
        </Group>
      ))}
    </Group>
  );
}
