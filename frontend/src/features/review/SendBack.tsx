import { Alert, Button, Group, Modal, NumberInput, Stack, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '@/lib/api/client';
import type { ComparisonDetail, ComparisonRow } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

interface Props {
  comparison: ComparisonDetail;
  isOpen: boolean;
  onClose: () => void;
  onDone: (said: string) => Promise<void>;
}

/** Ask labellers for more ratings of a comparison. */
export function SendBack({ comparison, isOpen, onClose, onDone }: Props) {
  return (
    <Modal opened={isOpen} onClose={onClose} title={t('Send back to labelling')} transitionProps={{ duration: 0 }}>
      <SendBackForm comparison={comparison} onClose={onClose} onDone={onDone} />
    </Modal>
  );
}

function SendBackForm({ comparison, onClose, onDone }: Omit<Props, 'isOpen'>) {
  const { slug } = useProject();
  const [problem, setProblem] = useState('');
  const form = useForm({ initialValues: { n_more: 2, reason: '' } });
  const send = useMutation({
    mutationFn: (values: typeof form.values) => api.post<ComparisonRow>(`projects/${slug}/comparisons/${comparison.id}/reopen`, values),
    onSuccess: async () => {
      onClose();
      await onDone(t('Sent back to labelling.'));
    },
    onError: (error) => setProblem(showErrors(form, error)),
  });
  return (
    <form onSubmit={form.onSubmit((values) => send.mutate(values))}>
      <Stack>
        <Text size="sm">
          {t('Labellers who have not rated it are asked, before other work. Ratings so far stay, flags are resolved, and no earlier verdict stands any more.')}
        </Text>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <NumberInput label={t('How many more ratings')} min={1} max={10} allowDecimal={false} clampBehavior="strict" required {...form.getInputProps('n_more')} />
        <Textarea label={t('Reason')} required autosize minRows={2} maxLength={5000} {...form.getInputProps('reason')} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('Cancel')}
          </Button>
          <Button type="submit" loading={send.isPending}>
            {t('Send back')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
