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
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';

export function PromptsPage() {
  const { slug } = useProject();
  const [text, setText] = useState('');
  const [search] = useDebouncedValue(text, 300);
  const prompts = usePages<PromptRow>(['projects', slug, 'prompts'], `projects/${slug}/prompts`, { search });
  return (
    <>
      <PageHeader title={t('Prompts')} description={t("What models were asked, in this project's pool.")} />
      <TextInput
        mb="md"
        maw={420}
        aria-label={t('Search prompts')}
        placeholder={t('Search words')}
        leftSection={<IconSearch size={16} />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <PagedTable
        label={t('Prompts')}
        query={prompts}
        rowKey={(prompt) => prompt.id}
        empty={
          search ? (
            <EmptyState title={t('Nothing found')}>{t('Whole words are searched, in the beginning of the last message.')}</EmptyState>
          ) : (
            <EmptyState
              title={t('No prompts yet')}
              action={
                <Anchor component={Link} to={`/projects/${slug}/imports`}>
                  {t('Import a file')}
                </Anchor>
              }
            />
          )
        }
        columns={[
          {
            title: t('Prompt'),
            cell: (prompt) => (
              <Anchor component={Link} to={`/projects/${slug}/prompts/${prompt.id}`} lineClamp={2} dir="auto">
                {prompt.messages.at(-1)?.content}
              </Anchor>
            ),
          },
          { title: t('Turns'), align: 'right', cell: (prompt) => prompt.messages.length },
          { title: t('Completions'), align: 'right', cell: (prompt) => prompt.n_completions },
          { title: t('Tags'), cell: (prompt) => <Text size="sm">{prompt.tags.join(', ')}</Text> },
          { title: t('Added'), cell: (prompt) => <TimeAgo at={prompt.created_at} /> },
        ]}
      />
    </>
  );
}
