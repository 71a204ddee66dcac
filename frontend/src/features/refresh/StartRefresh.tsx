import { Modal, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { StartButtons } from '@/components/StartButtons';
import { Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { GenerationChoices, RefreshCycle } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { partOf } from '@/lib/formPart';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { configOf, formOf, requestOf, withFoldsOf, type RefreshForm, type Section } from './form';
import { Preview } from './Preview';
import { useChoices, usePreviews } from './usePreviews';
import { RefreshFields } from './Sections';

/** The form that starts a refresh, with what it would do and take. */
export function StartRefresh({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const choices = useChoices(isOpen);
  return (
    <Modal opened={isOpen} onClose={close} title={t('Start a refresh')} size="xl" closeButtonProps={{ 'aria-label': t('Close') }}>
      <Loaded query={choices}>{(found) => <Form choices={found} close={close} />}</Loaded>
    </Modal>
  );
}

function Form({ choices, close }: { choices: GenerationChoices; close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [open, setOpen] = useState<Section[]>([]);
  const form = useForm<RefreshForm>({ initialValues: formOf(null, choices) });
  const previews = usePreviews(configOf(form.values));
  const start = useMutation({
    mutationFn: () => api.post<RefreshCycle>(`projects/${slug}/refreshes`, requestOf(form.values)),
    onSuccess: async (cycle) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
      close();
      void navigate(`/projects/${slug}/refreshes/${cycle.id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError) setOpen(withFoldsOf(open, error.errors));
    },
  });
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())}>
      <Stack>
        <Preview {...previews} />
        <TextInput label={t('Name')} placeholder={t('after the new guidelines')} maxLength={120} data-autofocus {...form.getInputProps('name')} />
        <RefreshFields part={partOf(form, '', form.values)} choices={choices} open={open} setOpen={setOpen} />
        <StartButtons start={start} close={close} />
      </Stack>
    </form>
  );
}
