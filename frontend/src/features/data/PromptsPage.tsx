import { Anchor, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { PromptRow } from '@/lib/api/types';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';

export function PromptsPage() {
  const { slug } = useProject();
  const [text, setText] = useState('');
  const [search] = useDebouncedValue(text, 300);
  const prompts = usePages<PromptRow>(['projects', slug, 'prompts'], `projects/${slug}/prompts`, { search });
  return (
    <>
      <PageHeader title="Prompts" description="What models were asked, in this project's pool." />
      <TextInput
        mb="md"
        maw={420}
        aria-label="Search prompts"
        placeholder="Search words"
        leftSection={<IconSearch size={16} />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <PagedTable
        label="Prompts"
        query={prompts}
        rowKey={(prompt) => prompt.id}
        empty={
          search ? (
            <EmptyState title="Nothing found">Whole words are searched, in the beginning of the last message.</EmptyState>
          ) : (
            <EmptyState
              title="No prompts yet"
              action={
                <Anchor component={Link} to={`/projects/${slug}/imports`}>
                  Import a file
                </Anchor>
              }
            />
          )
        }
        columns={[
          {
            title: 'Prompt',
            cell: (prompt) => (
              <Anchor component={Link} to={`/projects/${slug}/prompts/${prompt.id}`} lineClamp={2} dir="auto">
                {prompt.messages.at(-1)?.content}
              </Anchor>
            ),
          },
          { title: 'Turns', align: 'right', cell: (prompt) => prompt.messages.length },
          { title: 'Completions', align: 'right', cell: (prompt) => prompt.n_completions },
          { title: 'Tags', cell: (prompt) => <Text size="sm">{prompt.tags.join(', ')}</Text> },
          { title: 'Added', cell: (prompt) => <TimeAgo at={prompt.created_at} /> },
        ]}
      />
    </>
  );
}
