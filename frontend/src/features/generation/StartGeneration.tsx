import {
  Accordion, ActionIcon, Alert, Button, Card, Group, Modal, NumberInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text, Textarea, TextInput,
  Title, Tooltip,
} from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { Loaded } from '@/components/States';
import { StartButtons } from '@/components/StartButtons';
import { api, ApiError } from '@/lib/api/client';
import type { Generation, GenerationChoices, GenerationEstimate } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { anotherRow, initialForm, isOfPool, isSearched, PATH, requestOf, sourcesOf, type GenerationForm, type Search } from './form';

const ORDERS = [
  { value: 'least_covered', label: t('least rated clusters first') },
  { value: 'random', label: t('drawn at random') },
];
const SEARCHES = [
  { value: 'plain', label: t('as the model writes them') },
  { value: 'prompted', label: t('adversarial, by a system prompt') },
  { value: 'reward', label: t('adversarial, the highest reward of many') },
  { value: 'disagreement', label: t('adversarial, the least certain of many') },
];
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
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <NumberInput label={t('How many prompts')} min={1} max={100_000} allowDecimal={false} {...form.getInputProps('n_prompts')} />
          <Select label={t('Which ones')} allowDeselect={false} data={ORDERS} {...form.getInputProps('order')} />
          <NumberInput label={t('Longest completion, tokens')} min={1} max={16_384} allowDecimal={false} {...form.getInputProps('max_new_tokens')} />
        </SimpleGrid>
        <Switch label={t('Only prompts without a rated comparison')} {...form.getInputProps('is_unlabelled_only', { type: 'checkbox' })} />
        <Mix form={form} choices={choices} />
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <TagsInput label={t('Only prompts with a tag')} clearable {...form.getInputProps('tags')} />
                <TagsInput label={t('Only prompts in a language')} clearable {...form.getInputProps('languages')} />
                <NumberInput
                  label={t('Drop what is as like another one as, %')}
                  description={t('Of the runs of five words that either has')}
                  min={1}
                  max={100}
                  allowDecimal={false}
                  {...form.getInputProps('near_duplicate')}
                />
                <NumberInput
                  label={t('Longest prompt, tokens')}
                  description={t('Longer ones are cut on the left')}
                  min={8}
                  max={131_072}
                  allowDecimal={false}
                  {...form.getInputProps('max_prompt_tokens')}
                />
                <Select
                  label={t('Reward model of best-of-n')}
                  placeholder={t('the promoted one')}
                  clearable
                  data={choices.reward_models.map(({ id, version, state }) => ({
                    value: String(id),
                    label: state === 'promoted' ? t('v{{version}}, in use', { version }) : `v${version}`,
                  }))}
                  {...form.getInputProps('reward_model')}
                />
                <NumberInput label={t('Seed')} min={0} allowDecimal={false} {...form.getInputProps('seed')} />
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <StartButtons start={start} close={close} />
      </Stack>
    </form>
  );
}

function Mix({ form, choices }: { form: UseFormReturnType<GenerationForm>; choices: GenerationChoices }) {
  const sources = sourcesOf(choices);
  const rows = form.values.mix;
  return (
    <section aria-labelledby="mix">
      <Title order={3} size="h5" mb="xs" id="mix">
        {t('Who writes, for each prompt')}
      </Title>
      <Stack gap="sm">
        {rows.map((row, place) => {
          const field = (name: string) => form.getInputProps(`mix.${place}.${name}`);
          return (
            <Card key={place} withBorder radius="md" padding="sm">
              <Group align="flex-start" wrap="nowrap" gap="xs">
                <Stack gap="xs" flex={1} miw={0}>
                  <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
                    <Select label={t('Source {{number}}', { number: place + 1 })} allowDeselect={false} data={sources} {...field('source')} />
                    {!isOfPool(row) && <Select label={t('Found')} allowDeselect={false} data={SEARCHES} {...searchOf(form, place, choices)} />}
                    {row.source === PATH && <TextInput label={t('Path')} placeholder="/models/policy-7" maxLength={490} {...field('path')} />}
                  </SimpleGrid>
                  <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="xs">
                    <NumberInput label={t('Completions')} min={1} max={64} allowDecimal={false} {...field('n')} />
                    {!isOfPool(row) && <NumberInput label={t('Temperature')} min={0} max={5} step={0.1} {...field('temperature')} />}
                    {isSearched(row) && <NumberInput label={t('Of so many each')} min={2} max={64} allowDecimal={false} {...field('best_of')} />}
                  </SimpleGrid>
                  {!isOfPool(row) && row.search === 'prompted' && (
                    <Textarea label={t('System prompt')} autosize minRows={2} maxRows={8} maxLength={4000} {...field('system')} />
                  )}
                </Stack>
                <Tooltip label={t('Remove')}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={t('Remove source {{number}}', { number: place + 1 })}
                    disabled={rows.length === 1}
                    onClick={() => form.removeListItem('mix', place)}
                  >
                    <IconTrash size={16} />
                  </ActionIcon>
                </Tooltip>
              </Group>
            </Card>
          );
        })}
        {form.errors.mix && (
          <Text c="red" size="sm" role="alert">
            {form.errors.mix}
          </Text>
        )}
        <Button
          variant="light"
          w="fit-content"
          leftSection={<IconPlus size={16} />}
          disabled={rows.length >= 20}
          onClick={() => form.insertListItem('mix', anotherRow(rows))}
        >
          {t('Add a source')}
        </Button>
      </Stack>
    </section>
  );
}

/** Choosing a system prompt brings one to start from. */
function searchOf(form: UseFormReturnType<GenerationForm>, place: number, choices: GenerationChoices) {
  const props = form.getInputProps(`mix.${place}.search`);
  return {
    ...props,
    onChange: (value: string | null) => {
      form.setFieldValue(`mix.${place}.search`, (value ?? 'plain') as Search);
      if (value === 'prompted' && !form.values.mix[place]?.system) form.setFieldValue(`mix.${place}.system`, choices.adversarial_system);
    },
  };
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
