import { Badge, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { Markdown } from './Markdown';

function verdict(example: WorkedExample, labels: string[]): string {
  if (example.preferred === 'tie') return 'Tie';
  const label = labels[labels.length - (example.intensity ?? 1)] ?? '';
  return `${example.preferred.toUpperCase()} ${label}`;
}

function Example({ example, number, labels }: { example: WorkedExample; number: number; labels: string[] }) {
  return (
    <Card withBorder radius="md">
      <Stack gap="sm">
        <Group justify="space-between">
          <Text fw={600}>Example {number}</Text>
          <Badge variant="light" tt="none">
            {verdict(example, labels)}
          </Badge>
        </Group>
        <Markdown text={example.prompt} />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {(['a', 'b'] as const).map((side) => (
            <Card key={side} withBorder padding="sm" bg="var(--mantine-color-default-hover)">
              <Text size="xs" fw={600} c="dimmed">
                {side.toUpperCase()}
              </Text>
              <Markdown text={side === 'a' ? example.completion_a : example.completion_b} />
            </Card>
          ))}
        </SimpleGrid>
        <Text size="sm">
          <strong>Why: </strong>
          {example.rationale}
        </Text>
      </Stack>
    </Card>
  );
}

/** A version's text with its worked examples. */
export function GuidelinesText({ version, labels }: { version: GuidelineVersion; labels: string[] }) {
  return (
    <Stack gap="lg" maw={860}>
      <Markdown text={version.body} />
      {version.examples.length > 0 && (
        <>
          <Title order={2}>Worked examples</Title>
          {version.examples.map((example, position) => (
            <Example key={position} example={example} number={position + 1} labels={labels} />
          ))}
        </>
      )}
    </Stack>
  );
}
