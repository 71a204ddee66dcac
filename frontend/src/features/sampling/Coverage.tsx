import { Box, Button, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import type { Coverage as Row } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';

const FIRST = 12;

/** Share of a cluster's prompts with a label: before in grey, what the round adds in colour. */
function Bar({ row }: { row: Row }) {
  const share = (n: number) => `${(100 * n) / Math.max(row.n_prompts, 1)}%`;
  return (
    <Box pos="relative" h={12} miw={80} bg="var(--mantine-color-default-hover)" style={{ borderRadius: 3, overflow: 'hidden' }} aria-hidden>
      <Box pos="absolute" left={0} top={0} h="100%" w={share(row.after)} bg="var(--mantine-primary-color-filled)" />
      <Box pos="absolute" left={0} top={0} h="100%" w={share(row.before)} bg="var(--mantine-color-gray-6)" />
    </Box>
  );
}

/** What of the pool is labelled, cluster by cluster, before the round and with it. */
export function Coverage({ rows, rest, examples }: { rows: Row[]; rest?: Row | null; examples: Record<string, string> }) {
  const [isWhole, setWhole] = useState(false);
  const all = rest ? [...rows, rest] : rows;
  const sum = (of: (row: Row) => number) => all.reduce((total, row) => total + of(row), 0);
  const [prompts, before, after] = [sum((row) => row.n_prompts), sum((row) => row.before), sum((row) => row.after)];
  const touched = (of: (row: Row) => number) => rows.filter((row) => of(row) > 0).length;
  const shown = isWhole ? all : rows.slice(0, FIRST);
  return (
    <section aria-labelledby="coverage">
      <Title order={2} size="h4" mb="xs" id="coverage">
        {t('Coverage of the pool')}
      </Title>
      <Stack gap="xs">
        <Text size="sm">
          {t('{{before}} of {{prompts}} prompts had a label, {{after}} will have one ({{from}} to {{to}}).', {
            before: number(before), after: number(after), prompts: number(prompts),
            from: percent(before / Math.max(prompts, 1)), to: percent(after / Math.max(prompts, 1)),
          })}{' '}
          {t('Clusters with any: {{before}} before, {{after}} after, of {{all}}.', {
            before: touched((row) => row.before), after: touched((row) => row.after), all: rows.length,
          })}
        </Text>
        <Group gap="md">
          <Key colour="var(--mantine-color-gray-6)" text={t('before')} />
          <Key colour="var(--mantine-primary-color-filled)" text={t('with this round')} />
        </Group>
        <Table.ScrollContainer minWidth={640}>
          <Table aria-label={t('Coverage by cluster')} verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('A prompt in its middle')}</Table.Th>
                <Table.Th ta="right">{t('Prompts')}</Table.Th>
                <Table.Th w="24%">{t('With a label')}</Table.Th>
                <Table.Th ta="right">{t('Before')}</Table.Th>
                <Table.Th ta="right">{t('After')}</Table.Th>
                <Table.Th ta="right">{t('Chosen')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((row) => (
                <Table.Tr key={row.cluster}>
                  <Table.Td maw={280}>
                    <Text size="sm" lineClamp={1}>
                      {row.example === undefined ? t('all smaller clusters') : (examples[String(row.example)] ?? t('cluster {{number}}', { number: row.cluster }))}
                    </Text>
                  </Table.Td>
                  <Table.Td ta="right">{number(row.n_prompts)}</Table.Td>
                  <Table.Td>
                    <Bar row={row} />
                  </Table.Td>
                  <Table.Td ta="right">{number(row.before)}</Table.Td>
                  <Table.Td ta="right">{number(row.after)}</Table.Td>
                  <Table.Td ta="right">{number(row.chosen)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
        {all.length > FIRST && (
          <Group>
            <Button variant="subtle" size="xs" onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
              {isWhole ? t('Show the largest only') : t('Show all {{number}} clusters', { number: number(rows.length) })}
            </Button>
          </Group>
        )}
      </Stack>
    </section>
  );
}

function Key({ colour, text }: { colour: string; text: string }) {
  return (
    <Group gap={6}>
      <Box w={12} h={12} bg={colour} style={{ borderRadius: 2 }} aria-hidden />
      <Text size="xs" c="dimmed">
        {text}
      </Text>
    </Group>
  );
}
