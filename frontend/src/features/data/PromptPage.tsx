import { Badge, Card, Group, SimpleGrid, Stack, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Copy } from '@/components/Copy';
import { Markdown } from '@/components/Markdown';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { PromptDetail } from '@/lib/api/types';
import { plural } from '@/lib/format';
import { useProject } from '@/lib/session';

export function PromptPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const prompt = useQuery({
    queryKey: ['projects', slug, 'prompts', id],
    queryFn: () => api.get<PromptDetail>(`projects/${slug}/prompts/${id}`),
  });
  return (
    <>
      <PageHeader title={`Prompt ${id}`} />
      <Loaded query={prompt}>
        {({ messages, completions }) => (
          <Stack gap="xl">
            <Conversation messages={messages} />
            <section>
              <Title order={2} mb="sm">
                {plural(completions.length, 'completion')}
              </Title>
              {completions.length === 0 && <EmptyState title="No completions yet" />}
              <SimpleGrid cols={{ base: 1, md: 2 }}>
                {completions.map((completion) => (
                  <Card key={completion.id} withBorder radius="md">
                    <Group justify="space-between" mb="xs">
                      <Badge variant="light" tt="none">
                        {completion.source.name} · {completion.source.kind.replace('_', ' ')}
                      </Badge>
                      <Copy value={completion.text} label="Copy the completion" />
                    </Group>
                    <Markdown text={completion.text} />
                  </Card>
                ))}
              </SimpleGrid>
            </section>
          </Stack>
        )}
      </Loaded>
    </>
  );
}
