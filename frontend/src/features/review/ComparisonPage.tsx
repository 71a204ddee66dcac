import { Alert, Badge, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Copy } from '@/components/Copy';
import { StateBadge } from '@/components/JobProgress';
import { Markdown } from '@/components/Markdown';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { plural } from '@/lib/format';
import { useMay, useProject } from '@/lib/session';
import { Adjudicate } from './Adjudicate';
import { verdict } from './words';

export function ComparisonPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const maySettle = useMay('adjudicate');
  const comparison = useQuery({
    queryKey: ['projects', slug, 'comparisons', id],
    queryFn: () => api.get<ComparisonDetail>(`projects/${slug}/comparisons/${id}`),
  });
  return (
    <Loaded query={comparison}>
      {(found) => (
        <>
          <PageHeader title={`Comparison ${found.id}`} description={<StateBadge state={found.state} colour="blue" />} />
          <Stack gap="xl">
            <Conversation messages={found.prompt.messages} />
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Side name="A" side={found.a} n={found.n_a} />
              <Side name="B" side={found.b} n={found.n_b} />
            </SimpleGrid>
            <Flags found={found} />
            <Ratings found={found} />
            {found.adjudication && <Settled found={found} />}
            {maySettle && <Adjudicate key={found.adjudication?.created_at} comparison={found} />}
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Side({ name, side, n }: { name: string; side: ComparisonDetail['a']; n: number }) {
  return (
    <Card withBorder radius="md" component="section" aria-label={`Completion ${name}`}>
      <Group justify="space-between" mb="xs">
        <Group gap="xs">
          <Title order={2} size="h4">
            {name}
          </Title>
          <Badge variant="light" color="gray" tt="none">
            {side.source.name} · {side.source.kind.replace('_', ' ')}
          </Badge>
        </Group>
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            preferred by {n}
          </Text>
          <Copy value={side.text} label={`Copy completion ${name}`} />
        </Group>
      </Group>
      <Markdown text={side.text} />
    </Card>
  );
}

function Ratings({ found }: { found: ComparisonDetail }) {
  const { intensity_labels } = useProject();
  return (
    <section>
      <Title order={2} size="h4" mb="sm">
        {plural(found.ratings.length, 'rating')}
      </Title>
      {found.ratings.length > 0 && (
        <Table.ScrollContainer minWidth={640}>
          <Table aria-label="Ratings" verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Labeller</Table.Th>
                <Table.Th>Rating</Table.Th>
                <Table.Th>Saw first</Table.Th>
                <Table.Th>Reason</Table.Th>
                <Table.Th ta="right">Time</Table.Th>
                <Table.Th>Guidelines</Table.Th>
                <Table.Th>When</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.ratings.map((rating) => (
                <Table.Tr key={rating.id} style={rating.is_superseded ? { opacity: 0.55, textDecoration: 'line-through' } : undefined}>
                  <Table.Td ff="monospace">{rating.labeller.pseudonym}</Table.Td>
                  <Table.Td fw={550}>{verdict(intensity_labels, rating.preferred, rating.intensity)}</Table.Td>
                  <Table.Td>{rating.first?.toUpperCase() ?? '–'}</Table.Td>
                  <Table.Td maw={320}>{rating.justification || '–'}</Table.Td>
                  <Table.Td ta="right">{rating.active_ms === null ? '–' : `${Math.round(rating.active_ms / 1000)} s`}</Table.Td>
                  <Table.Td>{rating.guideline_version ? `v${rating.guideline_version}` : '–'}</Table.Td>
                  <Table.Td>
                    <TimeAgo at={rating.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}

function Flags({ found }: { found: ComparisonDetail }) {
  return found.flags.map((flag) => (
    <Alert
      key={flag.id}
      color={flag.resolved_at ? 'gray' : 'red'}
      title={`${flag.resolved_at ? 'Resolved flag' : 'Flagged'}: ${flag.kind.replaceAll('_', ' ')}`}
    >
      {flag.note || 'No note.'}{' '}
      <Text span c="dimmed" size="sm">
        {flag.labeller.pseudonym}, <TimeAgo at={flag.created_at} />
      </Text>
    </Alert>
  ));
}

function Settled({ found }: { found: ComparisonDetail }) {
  const { intensity_labels } = useProject();
  const settled = found.adjudication;
  if (!settled) return null;
  return (
    <Alert color="grape" title={`Settled: ${verdict(intensity_labels, settled.verdict, settled.intensity)}`}>
      {settled.note}{' '}
      <Text span c="dimmed" size="sm">
        {settled.reviewer}, <TimeAgo at={settled.created_at} />
      </Text>
    </Alert>
  );
}
