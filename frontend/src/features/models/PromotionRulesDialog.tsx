import { Alert, Button, Group, Modal, NumberInput, Stack, Switch, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { PromotionRules } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';

/** What a reward model of this project has to show before it is promoted. */
export function PromotionRulesButton() {
  const { slug } = useProject();
  const [isOpen, setOpen] = useState(false);
  const rules = useQuery({
    queryKey: ['projects', slug, 'reward-models', 'rules'],
    queryFn: () => api.get<PromotionRules>(`projects/${slug}/reward-models/rules`),
    enabled: isOpen,
  });
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        {t('Rules')}
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={t('Rules of promotion')} closeButtonProps={{ 'aria-label': t('Close') }}>
        <Loaded query={rules}>{(found) => <RulesForm rules={found} close={() => setOpen(false)} />}</Loaded>
      </Modal>
    </>
  );
}

/** Shares are in per cent here; '' asks nothing. */
interface RulesFields {
  must_beat_promoted: boolean;
  min_batch_comparisons: number | '';
  max_length_correlation: number | '';
  min_advantage: number | '';
}

function RulesForm({ rules, close }: { rules: PromotionRules; close: () => void }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const mayTrain = useMay('train');
  const form = useForm<RulesFields>({
    initialValues: {
      must_beat_promoted: rules.must_beat_promoted,
      min_batch_comparisons: rules.min_batch_comparisons,
      max_length_correlation: rules.max_length_correlation ?? '',
      min_advantage: rules.min_advantage === null ? '' : Math.round(1000 * rules.min_advantage) / 10,
    },
  });
  const save = useMutation({
    mutationFn: ({ max_length_correlation, min_advantage, ...others }: RulesFields) =>
      api.patch<PromotionRules>(`projects/${slug}/reward-models/rules`, {
        ...others,
        max_length_correlation: max_length_correlation === '' ? null : max_length_correlation,
        min_advantage: min_advantage === '' ? null : min_advantage / 100,
      }),
    onSuccess: async () => {
      tell(t('The rules are in force.'));
      close();
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'reward-models'] });
    },
    onError: (error) => showErrors(form, error),
  });
  return (
    <form onSubmit={form.onSubmit((values) => save.mutate(values))}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t('A model that may be a coin toss is never promoted by itself. Researchers may promote against the rules, with a reason that is kept.')}
        </Text>
        {save.error && (
          <Alert color="red" role="alert">
            {save.error.message}
          </Alert>
        )}
        <Switch
          label={t('At least as good as the model in use')}
          description={t('On the same held-out comparisons, and not clearly worse on any batch, on earlier comparisons or on new ones.')}
          disabled={!mayTrain}
          {...form.getInputProps('must_beat_promoted', { type: 'checkbox' })}
        />
        <NumberInput
          label={t('A batch is judged from so many comparisons on')}
          min={1}
          allowDecimal={false}
          disabled={!mayTrain}
          {...form.getInputProps('min_batch_comparisons')}
        />
        <NumberInput
          label={t('Greatest correlation of reward with length')}
          description={t('0 to 1. Empty: any.')}
          min={0}
          max={1}
          step={0.05}
          disabled={!mayTrain}
          {...form.getInputProps('max_length_correlation')}
        />
        <NumberInput
          label={t('Least lead over “the longer one is better”, points')}
          description={t('Empty: none asked for.')}
          min={-100}
          max={100}
          step={1}
          disabled={!mayTrain}
          {...form.getInputProps('min_advantage')}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {mayTrain ? t('Leave it') : t('Close')}
          </Button>
          {mayTrain && (
            <Button type="submit" loading={save.isPending}>
              {t('Save')}
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}
