import { Accordion, Alert, Modal, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { MixFields, MoreGenerationFields, PromptFields } from '@/components/generation/GenerationFields';
import { Loaded } from '@/components/States';
import { StartButtons } from '@/components/StartButtons';
import { api, ApiError } from '@/lib/api/client';
import type { Generation, GenerationChoices, GenerationEstimate } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { partOf } from '@/lib/formPart';
import { number } from '@/lib/format';
import { initialForm, requestOf, type GenerationForm } from '@/lib/generation/form';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

const FOLDED = ['tags', 'languages', 'max_prompt_tokens', 'near_duplicate', 'reward_model', 'seed'];

/** The form that starts a generation, with what it would cost. */
export function StartGeneration({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const { slug } = useProject();
  const choices = useQuery({
    queryKey: ['projects', slug, 'generations', 'choices'],
    queryFn: () => api.get<GenerationChoices>(`projects/${slug}/generations/choices`),
    enabled: isOpen,
  });
  return (
    <Modal opened={isOpen} onClose={close} title={t('Generate completions')} size="xl">
      <Loaded query={choices}>{(found) => <Form choices={found} close={close} />}</Loaded>
    </Modal>
  );
}

function Form({ choices, close }: { choices: GenerationChoices; close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const form = useForm<GenerationForm>({ initialValues: initialForm(choices) });
  const part = partOf(form, '', form.values);
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(requestOf(form.values)), 400);
  const estimate = useQuery({
    queryKey: ['projects', slug, 'generations', 'estimate', asked],
    queryFn: () => api.post<GenerationEstimate>(`projects/${slug}/generations/estimate`, JSON.parse(asked) as Record<string, unknown>),
    placeholderData: (previous) => previous,
    retry: false,
  });
  const start = useMutation({
    mutationFn: () => api.post<Generation>(`projects/${slug}/generations`, requestOf(form.values)),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'generations'] });
      close();
      void navigate(`/projects/${slug}/generations/${id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => FOLDED.includes(field))) setUnfolded('advanced');
    },
  });
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())}>
      <Stack>
        <Costs estimate={estimate.data} error={estimate.error} />
        <PromptFields part={part} />
        <MixFields part={part} choices={choices} />
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <MoreGenerationFields part={part} choices={choices} />
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <StartButtons start={start} close={close} />
      </Stack>
    </form>
  );
}

function Costs({ estimate, error }: { estimate: GenerationEstimate | undefined; error: Error | null }) {
  if (error) return <Alert color="yellow">{error.message}</Alert>;
  if (!estimate) return <Text c="dimmed">{t('Counting …')}</Text>;
  const isNone = estimate.n_prompts === 0;
  return (
    <Alert color={isNone ? 'orange' : 'blue'} variant="light" aria-live="polite">
      <Text fw={600}>
        {t('{{prompts}}, at most {{completions}}', {
          prompts: t('{{count}} prompts', { count: estimate.n_prompts }),
          completions: t('{{count}} completions', { count: estimate.n_completions }),
        })}
      </Text>
      <Text size="sm">
        {isNone
          ? t('No prompt fits: import prompts, or take those with rated comparisons too.')
          : t('{{available}} prompts fit. Models write {{sampled}} texts: about {{read}} tokens read, at most {{written}} written.', {
              available: number(estimate.n_available),
              sampled: number(estimate.n_sampled),
              read: number(estimate.prompt_tokens),
              written: number(estimate.max_new_tokens),
            })}
      </Text>
    </Alert>
  );
}
