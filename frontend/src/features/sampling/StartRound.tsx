import { Accordion, Alert, Modal, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { BudgetField, MoreSamplingFields, RandomShareField, RuleFields } from '@/components/sampling/SamplingFields';
import { StartButtons } from '@/components/StartButtons';
import { api, ApiError } from '@/lib/api/client';
import type { SamplingChoices, SamplingPreview, SamplingRoundDetail } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { partOf } from '@/lib/formPart';
import { money, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { INITIAL, isFoldedAway, requestOf, type RoundForm } from '@/lib/sampling/form';
import { useProject } from '@/lib/session';

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
  const part = partOf(form, '', form.values);
  const models = choices.data?.reward_models ?? [];
  const generations = choices.data?.generations ?? [];
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())}>
      <Stack>
        <Preview preview={preview.data} error={preview.error} hasModel={!choices.data || models.length > 0} />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <BudgetField part={part} isFirst />
          <RandomShareField part={part} />
        </SimpleGrid>
        <RuleFields part={part} />
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
                <MoreSamplingFields part={part} />
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
