import { Alert, Button, Modal, Stack, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { PagedTable } from '@/components/PagedTable';
import { EmptyState } from '@/components/States';
import { api } from '@/lib/api/client';
import type { PromptDetail, PromptRow } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';

/** A prompt of the project's pool with its completions, found by words. */
export function PickPrompt({ onPick }: { onPick: (prompt: PromptDetail) => void }) {
  const [isOpen, setOpen] = useState(false);
  const take = (prompt: PromptDetail) => {
    setOpen(false);
    onPick(prompt);
  };
  return (
    <>
      <Button variant="default" size="xs" onClick={() => setOpen(true)}>
        {t('Pick from the pool')}
      </Button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        title={t('Pick a prompt')}
        size="lg"
        closeButtonProps={{ 'aria-label': t('Close') }}
      >
        <Search onPick={take} />
      </Modal>
    </>
  );
}

function Search({ onPick }: { onPick: (prompt: PromptDetail) => void }) {
  const { slug } = useProject();
  const [text, setText] = useState('');
  const [search] = useDebouncedValue(text, 300);
  const prompts = usePages<PromptRow>(['projects', slug, 'prompts'], `projects/${slug}/prompts`, { search });
  const read = useMutation({
    mutationFn: (id: number) => api.get<PromptDetail>(`projects/${slug}/prompts/${id}`),
    onSuccess: onPick,
  });
  return (
    <Stack>
      <TextInput
        data-autofocus
        aria-label={t('Search prompts')}
        placeholder={t('Search words')}
        leftSection={<IconSearch size={16} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {read.error && (
        <Alert color="red" role="alert">
          {read.error.message}
        </Alert>
      )}
      <PagedTable
        label={t('Prompts')}
        query={prompts}
        rowKey={(prompt) => prompt.id}
        minWidth={280}
        empty={
          search ? (
            <EmptyState title={t('Nothing found')}>{t('Whole words are searched, in the beginning of the last message.')}</EmptyState>
          ) : (
            <EmptyState title={t('No prompts yet')} />
          )
        }
        columns={[
          {
            title: t('Prompt'),
            cell: (prompt) => (
              <UnstyledButton disabled={read.isPending} onClick={() => read.mutate(prompt.id)} w="100%">
                <Text size="sm" lineClamp={2} dir="auto" c="var(--mantine-color-anchor)">
                  {prompt.messages.at(-1)?.content}
                </Text>
              </UnstyledButton>
            ),
          },
          { title: t('Turns'), align: 'right', cell: (prompt) => prompt.messages.length },
          { title: t('Completions'), align: 'right', cell: (prompt) => prompt.n_completions },
        ]}
      />
    </Stack>
  );
}
