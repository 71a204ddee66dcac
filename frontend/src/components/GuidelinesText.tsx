import { Badge, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { Markdown } from './Markdown';

/** "A significantly better", in the project's words. */
export function verdictOfExample(example: Pick<WorkedExample, 'preferred' | 'intensity'>, labels: readonly string[]): string {
  if (example.preferred === 'tie') return t('Tie');
  const label = labels[labels.length - (example.intensity ?? 1)] ?? '';
  return `${example.preferred.toUpperCase()} ${label}`.trim();
}

function Example({ example, number, labels }: { example: WorkedExample; number: number; labels: readonly string[] }) {
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Example {{number}}', { number })}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="xs">
            <Text fw={600}>{t('Example {{number}}', { number })}</Text>
            {example.in_quiz && (
              <Badge variant="outline" color="gray" c="var(--mantine-color-text)" tt="none" miw="max-content">
                {t('Asked in the quiz')}
              </Badge>
            )}
          </Group>
          <Badge variant="light" c="var(--mantine-color-text)" tt="none" miw="max-content">
            {verdictOfExample(example, labels)}
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
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          <strong>{t('Why')}: </strong>
          {example.rationale}
        </Text>
      </Stack>
    </Card>
  );
}

interface Props {
  version: Pick<GuidelineVersion, 'body' | 'examples'>;
  labels: readonly string[];
}

/** A version's text with its worked examples. */
export function GuidelinesText({ version, labels }: Props) {
  return (
    <Stack gap="lg" maw={860}>
      <Markdown text={version.body} />
      {version.examples.length > 0 && (
        <>
          <Title order={2}>{t('Worked examples')}</Title>
          {version.examples.map((example, position) => (
            <Example key={position} example={example} number={position + 1} labels={labels} />
          ))}
        </>
      )}
    </Stack>
  );
}
