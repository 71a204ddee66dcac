import { Alert, Button, Card, Group, Modal, SegmentedControl, Select, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { verdict } from './words';

/** Makes a comparison gold, with its known answer, or an ordinary one again. */
export function Gold({ comparison }: { comparison: ComparisonDetail }) {
  const { slug, intensity_labels } = useProject();
  const queries = useQueryClient();
  const [isOpen, { open, close }] = useDisclosure();
  const { gold_preferred, gold_intensity } = comparison;
  const stop = useMutation({
    mutationFn: () => api.delete(`projects/${slug}/comparisons/${comparison.id}/gold`),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'comparisons'] });
      tell(t('An ordinary comparison again.'));
    },
    onError: complain,
  });
  // What should not have been asked has no answer to be known.
  if (comparison.adjudication?.verdict === 'invalid') return null;
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Gold')}>
      <Title order={2} size="h4">
        {t('Gold')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {gold_preferred === null
          ? t('With a known answer this comparison can show who reads carefully: it is mixed into every labeller’s work and leaves training.')
          : t('Known answer: {{verdict}}. It is mixed into every labeller’s work and is in no training data.', {
              verdict: verdict(intensity_labels, gold_preferred, gold_intensity),
            })}
      </Text>
      <Group gap="xs">
        <Button variant="default" onClick={open}>
          {gold_preferred === null ? t('Use as gold') : t('Change gold')}
        </Button>
        {gold_preferred !== null && (
          <Button
            variant="default"
            loading={stop.isPending}
            onClick={() =>
              askFirst({
                title: t('Stop using it as gold?'),
                text: t('It goes back into the ordinary queue, and its ratings count in training again. Gold answers so far stay ratings.'),
                confirm: t('Stop using as gold'),
                onConfirm: () => stop.mutate(),
              })
            }
          >
            {t('Stop using as gold')}
          </Button>
        )}
      </Group>
      <Modal opened={isOpen} onClose={close} title={gold_preferred === null ? t('Use as gold') : t('Change gold')}>
        <GoldForm comparison={comparison} onDone={close} />
      </Modal>
    </Card>
  );
}

function GoldForm({ comparison, onDone }: { comparison: ComparisonDetail; onDone: () => void }) {
  const { slug, intensity_labels } = useProject();
  const queries = useQueryClient();
  const settled = comparison.adjudication;
  const form = useForm({
    initialValues: {
      // Nothing is chosen beforehand: what is right is for the reviewer to say. What is settled can only be as settled.
      preferred: comparison.gold_preferred ?? settled?.verdict ?? '',
      intensity: String(comparison.gold_intensity ?? settled?.intensity ?? Math.min(2, intensity_labels.length)),
    },
  });
  const hasIntensity = form.values.preferred === 'a' || form.values.preferred === 'b';
  const save = useMutation({
    mutationFn: () =>
      api.put(`projects/${slug}/comparisons/${comparison.id}/gold`, {
        preferred: form.values.preferred,
        intensity: hasIntensity ? Number(form.values.intensity) : null,
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'comparisons'] });
      tell(t('It is gold now.'));
      onDone();
    },
    onError: (error) => showErrors(form, error),
  });
  const levels = intensity_labels.map((label, position) => ({ value: String(intensity_labels.length - position), label }));
  return (
    <form onSubmit={form.onSubmit(() => save.mutate())}>
      <Stack>
        <Alert color="orange">
          {t('Gold leaves training: its {{count}} ratings no longer count there, nor in new comparison sets. Choose pairs whose answer nobody who reads the guidelines would dispute.', {
            count: comparison.n_ratings,
          })}
        </Alert>
        {save.error && (
          <Alert color="red" role="alert">
            {save.error.message}
          </Alert>
        )}
        <SegmentedControl
          aria-label={t('Known answer')}
          data={[
            { value: 'a', label: 'A' },
            { value: 'b', label: 'B' },
            { value: 'tie', label: t('Tie') },
          ]}
          {...form.getInputProps('preferred')}
        />
        {hasIntensity && <Select label={t('How much')} data={levels} allowDeselect={false} {...form.getInputProps('intensity')} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            {t('Cancel')}
          </Button>
          <Button type="submit" loading={save.isPending} disabled={!form.values.preferred}>
            {t('It leaves training: use as gold')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
