import { Alert, Button, Card, Group, SegmentedControl, Select, Stack, Text, Textarea, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

const VERDICTS = [
  { value: 'a', label: 'A' },
  { value: 'b', label: 'B' },
  { value: 'tie', label: t('Tie') },
  { value: 'invalid', label: t('Not valid') },
];

/** A reviewer's verdict, which stands for the ratings in training. */
export function Adjudicate({ comparison }: { comparison: ComparisonDetail }) {
  const { slug, intensity_labels } = useProject();
  const queries = useQueryClient();
  const settled = comparison.adjudication;
  const form = useForm({
    initialValues: {
      // Nothing is chosen beforehand: the verdict is the reviewer's, not the majority's.
      preferred: settled?.verdict ?? '',
      intensity: String(settled?.intensity ?? Math.min(2, intensity_labels.length)),
      note: '',
    },
  });
  const hasIntensity = form.values.preferred === 'a' || form.values.preferred === 'b';
  const settle = useMutation({
    mutationFn: () =>
      api.post(`projects/${slug}/comparisons/${comparison.id}/adjudication`, {
        preferred: form.values.preferred,
        intensity: hasIntensity ? Number(form.values.intensity) : null,
        note: form.values.note,
      }),
    onSuccess: async () => {
      tell(t('Settled. Its flags are resolved.'));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'comparisons'] });
    },
    onError: (error) => showErrors(form, error),
  });
  const levels = intensity_labels.map((label, position) => ({ value: String(intensity_labels.length - position), label }));
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Settle')}>
      <Title order={2} size="h4">
        {settled ? t('Settle it anew') : t('Settle it')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Your verdict stands for the ratings in training; they are kept. A comparison that should not have been asked is not valid and stays out.')}
      </Text>
      <form onSubmit={form.onSubmit(() => settle.mutate())}>
        <Stack>
          {settle.error && (
            <Alert color="red" role="alert">
              {settle.error.message}
            </Alert>
          )}
          <Group align="flex-end">
            <SegmentedControl aria-label={t('Verdict')} data={VERDICTS} {...form.getInputProps('preferred')} />
            {hasIntensity && <Select label={t('How much')} data={levels} allowDeselect={false} {...form.getInputProps('intensity')} />}
          </Group>
          <Textarea label={t('Why')} autosize minRows={2} maxLength={5000} {...form.getInputProps('note')} />
          <Button type="submit" w="fit-content" loading={settle.isPending} disabled={!form.values.preferred}>
            {t('Settle')}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
