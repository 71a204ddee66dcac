import { Accordion, Alert, Button, Group, NumberInput, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { NotStarted, ToCorrect } from '@/components/StartButtons';
import { EmptyState, Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { SftChoices, SftPreview, SftRun } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { checks, initialForm, isFolded, leftOutWords, NAMED, PEOPLE, requestOf, type SftForm } from './sft';

/** Chooses a base model and what it learns from, and says how much that is. */
export function NewSftRunPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const choices = useQuery({
    queryKey: ['projects', slug, 'sft-runs', 'options'],
    queryFn: () => api.get<SftChoices>(`projects/${slug}/sft-runs/options`),
    enabled: mayTrain,
  });
  return (
    <>
      <PageHeader
        title={t('New SFT run')}
        description={t('Trains a base model to write what people chose or wrote. Prompts of the validation and test splits are never trained on.')}
      />
      {mayTrain ? (
        <Loaded query={choices}>{(found) => <Form choices={found} />}</Loaded>
      ) : (
        <EmptyState title={t('Researchers start SFT runs')}>{t('Ask the owner of the project for that role.')}</EmptyState>
      )}
    </>
  );
}

function Form({ choices }: { choices: SftChoices }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const form = useForm<SftForm>({ initialValues: initialForm(choices.defaults), validate: checks });
  const { values } = form;
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(requestOf(values)), 400);
  const isWhole = values.base_model !== NAMED || values.named.trim() !== '';
  const preview = useQuery({
    queryKey: ['projects', slug, 'sft-runs', 'preview', asked],
    queryFn: () => api.post<SftPreview>(`projects/${slug}/sft-runs/preview`, JSON.parse(asked) as Record<string, unknown>),
    placeholderData: (previous) => previous,
    enabled: isWhole,
    retry: false,
  });
  const start = useMutation({
    mutationFn: () => api.post<SftRun>(`projects/${slug}/sft-runs`, requestOf(values)),
    onSuccess: async (run) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'sft-runs'] });
      void navigate(`/projects/${slug}/sft-runs/${run.number}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isFolded(field))) setUnfolded('advanced');
    },
  });
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())} noValidate>
      <Stack maw={760} gap="lg">
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label={t('Base model')}
            allowDeselect={false}
            data={[...choices.base_models, { value: NAMED, label: t('a path or a hub id …') }]}
            {...form.getInputProps('base_model')}
          />
          {values.base_model === NAMED && (
            <TextInput label={t('Path or hub id')} placeholder="/models/base-1" maxLength={500} {...form.getInputProps('named')} />
          )}
          <Select
            label={t('Learns from')}
            allowDeselect={false}
            data={[
              ...choices.comparison_sets.map(({ value, label }) => ({ value: String(value), label: t('chosen: {{set}}', { set: label }) })),
              { value: PEOPLE, label: t('what people wrote in this pool') },
            ]}
            {...form.getInputProps('comparison_set')}
          />
          <NumberInput label={t('Passes over the examples')} min={0.1} max={100} step={0.5} {...form.getInputProps('epochs')} />
          <NumberInput
            label={t('Learning rate')}
            description={t('0.001 for the built-in model; for one of 100 million weights and more take 0.00001, with LoRA 0.0001.')}
            min={0}
            max={1}
            step={0.00001}
            {...form.getInputProps('learning_rate')}
          />
          <NumberInput
            label={t('Longest example, tokens')}
            description={t('Prompt and completion together; longer prompts are cut on the left.')}
            min={32}
            max={131_072}
            allowDecimal={false}
            {...form.getInputProps('max_length')}
          />
        </SimpleGrid>
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <NumberInput
                  label={t('Rank of LoRA')}
                  description={t('0 trains all weights.')}
                  min={0}
                  max={1024}
                  allowDecimal={false}
                  {...form.getInputProps('lora_rank')}
                />
                <NumberInput
                  label={t('Rows per update')}
                  description={t('Each as long as the longest example; short examples share one.')}
                  min={1}
                  max={4096}
                  allowDecimal={false}
                  {...form.getInputProps('rows_per_step')}
                />
                <NumberInput label={t('Seed')} min={0} allowDecimal={false} {...form.getInputProps('seed')} />
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        {isWhole && <Preview preview={preview.data} error={preview.error} />}
        <NotStarted error={start.error} />
        <Group justify="flex-end">
          <Button type="submit" loading={start.isPending} disabled={preview.data?.n_examples === 0}>
            {t('Start the run')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** What the run would learn from, or what is wrong with it, while the form is filled in. */
function Preview({ preview, error }: { preview: SftPreview | undefined; error: Error | null }) {
  if (error) return <ToCorrect error={error} />;
  if (!preview) return <Text c="dimmed">{t('Counting …')}</Text>;
  return (
    <Alert color={preview.warnings.length > 0 ? 'yellow' : 'blue'} variant="light" aria-live="polite">
      <Text fw={600}>
        {t('{{examples}} to learn from, about {{tokens}} tokens; {{heldout}} held out', {
          examples: t('{{count}} examples', { count: preview.n_examples }),
          tokens: number(preview.n_tokens),
          heldout: number(preview.n_heldout),
        })}
      </Text>
      <Text size="sm">
        {[
          t('About {{updates}}.', { updates: t('{{count}} updates', { count: preview.n_updates }) }),
          preview.n_long > 0 && t('About {{count}} are longer than a row and will be cut.', { count: preview.n_long }),
          leftOutWords(preview),
          ...preview.warnings.map(({ message }) => message),
        ]
          .filter(Boolean)
          .join(' ')}
      </Text>
    </Alert>
  );
}
