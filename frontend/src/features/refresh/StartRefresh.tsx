import {
  Accordion, Alert, Modal, NumberInput, SegmentedControl, Select, SimpleGrid, Stack, Switch, Text, TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { StartButtons } from '@/components/StartButtons';
import { api, ApiError } from '@/lib/api/client';
import type { RefreshCycle, SetPreview, Spec } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import { INITIAL, isFoldedAway, requestOf, specOf, type RefreshForm } from './form';

const ACQUISITIONS = [
  { value: 'dts', label: t('two likely best, of unlike prompts') },
  { value: 'disagreement', label: t('where the model is unsure') },
  { value: 'gap', label: t('where rewards are close') },
  { value: 'random', label: t('drawn at random') },
];

/** The form that starts a refresh, with live counts of what would go in. */
export function StartRefresh({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const form = useForm<RefreshForm>({ initialValues: INITIAL });
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(specOf(form.values)), 300);
  const preview = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'preview', asked],
    queryFn: () => api.get<SetPreview>(`projects/${slug}/comparison-sets/preview`, { ...(JSON.parse(asked) as Spec) }),
    enabled: isOpen,
    placeholderData: (previous) => previous,
  });
  const start = useMutation({
    mutationFn: () => api.post<RefreshCycle>(`projects/${slug}/refreshes`, requestOf(form.values)),
    onSuccess: async (cycle) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
      close();
      void navigate(`/projects/${slug}/refreshes/${cycle.id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isFoldedAway(field))) setUnfolded('advanced');
    },
  });
  const optional = (label: string, field: string, more: { min?: number; max?: number; step?: number; description?: string } = {}) => (
    <NumberInput label={label} placeholder={t('default')} allowNegative={false} {...more} {...form.getInputProps(field)} />
  );
  return (
    <Modal opened={isOpen} onClose={close} title={t('Start a refresh')} size="lg">
      <form onSubmit={form.onSubmit(() => start.mutate())}>
        <Stack>
          <Counts preview={preview.data} error={preview.error} />
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput label={t('Name')} placeholder={t('after the new guidelines')} maxLength={120} {...form.getInputProps('name')} />
            <TextInput
              label={t('Base model')}
              description={t('builtin, or a path or hub id with safetensors weights')}
              maxLength={500}
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              {...form.getInputProps('base_model')}
            />
            <NumberInput label={t('Ratings a comparison needs')} min={1} max={50} allowDecimal={false} {...form.getInputProps('spec.min_ratings')} />
            <NumberInput
              label={t('Least agreement, %')}
              min={0}
              max={100}
              step={5}
              allowDecimal={false}
              {...form.getInputProps('spec.min_agreement')}
            />
          </SimpleGrid>
          <div>
            <Text size="sm" fw={500} id="ties-label">
              {t('Comparisons without a preferred side')}
            </Text>
            <SegmentedControl
              aria-labelledby="ties-label"
              data={[
                { value: 'drop', label: t('Leave out') },
                { value: 'soft', label: t('Keep as ties') },
              ]}
              {...form.getInputProps('spec.ties')}
            />
          </div>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select label={t('Ask next for comparisons')} allowDeselect={false} data={ACQUISITIONS} {...form.getInputProps('acquisition')} />
            <NumberInput label={t('How many')} min={1} max={50_000} allowDecimal={false} {...form.getInputProps('budget')} />
          </SimpleGrid>
          <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
            <Accordion.Item value="advanced">
              <Accordion.Control>{t('Advanced')}</Accordion.Control>
              <Accordion.Panel>
                <Stack>
                  <Switch
                    label={t('The stronger the preference, the more it weighs')}
                    checked={form.values.spec.intensity_weighting === 'scaled_bt'}
                    onChange={({ currentTarget }) =>
                      form.setFieldValue('spec.intensity_weighting', currentTarget.checked ? 'scaled_bt' : 'none')
                    }
                  />
                  <Switch
                    label={t('Take comparisons that a reviewer has settled, by the verdict')}
                    {...form.getInputProps('spec.include_adjudicated', { type: 'checkbox' })}
                  />
                  <SimpleGrid cols={{ base: 1, sm: 2 }}>
                    {optional(t('Comparisons at most'), 'spec.max_comparisons', { min: 1 })}
                    {optional(t('Epochs'), 'training.epochs', { min: 1, max: 100 })}
                    {optional(t('Batch size'), 'training.batch_size', { min: 1, max: 4096 })}
                    {optional(t('Learning rate'), 'training.learning_rate', { max: 1, step: 0.0001 })}
                    {optional(t('Longest text, tokens'), 'training.max_length', { min: 8, max: 131_072 })}
                    {optional(t('Seed'), 'training.seed', { min: 0 })}
                  </SimpleGrid>
                </Stack>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          <StartButtons start={start} close={close} />
        </Stack>
      </form>
    </Modal>
  );
}

function Counts({ preview, error }: { preview: SetPreview | undefined; error: Error | null }) {
  if (error) return <Alert color="yellow">{error.message}</Alert>;
  if (!preview) return <Text c="dimmed">{t('Counting …')}</Text>;
  const leftOut = Object.entries(preview.left_out).filter(([, n]) => n > 0);
  const isTooFew = preview.train === 0 || preview.test === 0;
  return (
    <Alert color={isTooFew ? 'orange' : 'blue'} variant="light" aria-live="polite">
      <Text fw={600}>
        {t('{{comparisons}} of {{prompts}}, {{ratings}}', {
          comparisons: t('{{count}} comparisons', { count: preview.comparisons }),
          prompts: t('{{count}} prompts', { count: preview.prompts }),
          ratings: t('{{count}} ratings', { count: preview.ratings }),
        })}
      </Text>
      <Text size="sm">
        {[
          t('{{train}} to train on, {{validation}} for validation, {{test}} held out.', {
            train: number(preview.train),
            validation: number(preview.validation),
            test: number(preview.test),
          }),
          leftOut.length > 0 &&
            t('Left out: {{reasons}}.', { reasons: leftOut.map(([why, n]) => `${number(n)} ${inWords(why)}`).join(', ') }),
          preview.unrated > 0 && t('Without a rating: {{number}}.', { number: number(preview.unrated) }),
          isTooFew && t('Too few to train and evaluate: rate more comparisons, or ask less of them here.'),
        ]
          .filter(Boolean)
          .join(' ')}
      </Text>
    </Alert>
  );
}
