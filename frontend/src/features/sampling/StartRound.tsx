import { Accordion, Alert, Modal, NumberInput, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { StartButtons } from '@/components/StartButtons';
import { api, ApiError } from '@/lib/api/client';
import type { SamplingChoices, SamplingPreview, SamplingRoundDetail } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { money, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { INITIAL, isFoldedAway, requestOf, type RoundForm } from './roundForm';
import { ACQUISITIONS, DIVERSITIES, PROMPT_RULES, type Choice } from './rules';

/** The form that starts a sampling round, with what its labels would take. */
export function StartRound({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  return (
    <Modal opened={isOpen} onClose={close} title={t('Start a sampling round')} size="lg" closeButtonProps={{ 'aria-label': t('Close') }}>
      <Form close={close} />
    </Modal>
  );
}

function Form({ close }: { close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const form = useForm<RoundForm>({ initialValues: INITIAL });
  const choices = useQuery({
    queryKey: ['projects', slug, 'sampling-rounds', 'choices'],
    queryFn: () => api.get<SamplingChoices>(`projects/${slug}/sampling-rounds/choices`),
  });
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(requestOf(form.values)), 300);
  const preview = useQuery({
    queryKey: ['projects', slug, 'sampling-rounds', 'preview', asked],
    queryFn: () =>
      api.get<SamplingPreview>(`projects/${slug}/sampling-rounds/preview`, JSON.parse(asked) as Record<string, string | number>),
    placeholderData: (previous) => previous,
  });
  const start = useMutation({
    mutationFn: () => api.post<SamplingRoundDetail>(`projects/${slug}/sampling-rounds`, requestOf(form.values)),
    onSuccess: async (round) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'sampling-rounds'] });
      close();
      void navigate(`/projects/${slug}/sampling-rounds/${round.id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isFoldedAway(field))) setUnfolded('advanced');
    },
  });
  const rule = (label: string, field: 'acquisition' | 'prompt_rule' | 'diversity', offered: Choice[]) => (
    <Select
      label={label}
      description={offered.find(({ value }) => value === form.values[field])?.does}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      allowDeselect={false}
      data={offered}
      {...form.getInputProps(field)}
    />
  );
  const models = choices.data?.reward_models ?? [];
  const generations = choices.data?.generations ?? [];
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())}>
      <Stack>
        <Preview preview={preview.data} error={preview.error} hasModel={!choices.data || models.length > 0} />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NumberInput
            label={t('Comparisons to ask for')}
            description={t('They come first in every labeller’s queue.')}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            min={1}
            max={50_000}
            allowDecimal={false}
            data-autofocus
            {...form.getInputProps('budget')}
          />
          <NumberInput
            label={t('Of them at random, %')}
            description={t('10 to 20 show what the whole pool is like, and whether the rule beats chance.')}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            min={0}
            max={100}
            step={5}
            {...form.getInputProps('random_share')}
          />
        </SimpleGrid>
        {rule(t('Which pairs'), 'acquisition', ACQUISITIONS)}
        {rule(t('Which prompts'), 'prompt_rule', PROMPT_RULES)}
        {rule(t('How the round is spread over the pool'), 'diversity', DIVERSITIES)}
        {generations.length > 0 && (
          <Select
            label={t('Completions')}
            description={t('A generation alone asks about what the policy writes now.')}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            placeholder={t('all of the pool')}
            clearable
            data={generations.map(({ id, number: n }) => ({ value: String(id), label: t('generation {{number}}', { number: n }) }))}
            {...form.getInputProps('generation_id')}
          />
        )}
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Select
                  label={t('Chosen by')}
                  placeholder={t('the model in use')}
                  clearable
                  data={models.map(({ id, version, state }) => ({
                    value: String(id),
                    label: state === 'promoted' ? t('v{{version}}, in use', { version }) : `v${version}`,
                  }))}
                  {...form.getInputProps('reward_model_id')}
                />
                <NumberInput label={t('Comparisons of one prompt at most')} min={1} max={100} allowDecimal={false} {...form.getInputProps('max_per_prompt')} />
                <NumberInput
                  label={t('Clusters of prompts')}
                  placeholder={t('by the size of the pool')}
                  min={0}
                  max={10_000}
                  allowDecimal={false}
                  {...form.getInputProps('n_clusters')}
                />
                <NumberInput label={t('One cluster at most, %')} min={1} max={100} {...form.getInputProps('max_cluster_share')} />
                <NumberInput label={t('Seed')} placeholder={t('default')} min={0} allowDecimal={false} {...form.getInputProps('seed')} />
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <StartButtons start={start} close={close} />
      </Stack>
    </form>
  );
}

function Preview({ preview, error, hasModel }: { preview: SamplingPreview | undefined; error: Error | null; hasModel: boolean }) {
  if (!hasModel) {
    return <Alert color="orange">{t('There is no reward model to choose by yet. A refresh trains one.')}</Alert>;
  }
  if (error) return <Alert color="yellow">{error.message}</Alert>;
  if (!preview) return <Text c="dimmed">{t('Counting …')}</Text>;
  const { n_pairs, n_prompts, is_estimate, n_chosen, n_labels, ratings_each, hours, cost, currency, median_s, n_waiting } = preview;
  const taken = [
    t('{{count}} labels', { count: n_labels }),
    hours !== null && t('{{hours}} hours of labelling', { hours: number(hours, 1) }),
    cost !== null && money(cost, currency),
  ].filter(Boolean);
  const counted = { pairs: t('{{count}} pairs', { count: n_pairs }), prompts: t('{{count}} prompts', { count: n_prompts }) };
  return (
    <Alert color={n_chosen === 0 ? 'orange' : 'blue'} variant="light" aria-live="polite">
      <Text fw={600}>{n_chosen === 0 ? t('Nothing is left to ask for') : taken.join(', ')}</Text>
      <Text size="sm">
        {[
          is_estimate ? t('About {{pairs}} of {{prompts}} to choose from.', counted) : t('{{pairs}} of {{prompts}} to choose from.', counted),
          n_chosen > 0 && t('{{n}} comparisons with {{count}} ratings each.', { n: number(n_chosen), count: ratings_each }),
          median_s !== null && t('A rating takes {{seconds}} s here.', { seconds: number(median_s, 0) }),
          n_waiting > 0 && t('Earlier rounds still wait for {{count}} comparisons.', { count: n_waiting }),
        ]
          .filter(Boolean)
          .join(' ')}
      </Text>
    </Alert>
  );
}
