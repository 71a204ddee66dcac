import { Alert, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { RewardModelDetail } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

type Verb = 'promote' | 'retire';

const TEXTS: Record<Verb, { title: string; text: string; button: string }> = {
  promote: {
    title: t('Promote this reward model?'),
    text: t('The scorer serves it within seconds, and it chooses what is asked next. The model in use now retires; it can be promoted again.'),
    button: t('Promote'),
  },
  retire: {
    title: t('Retire this reward model?'),
    text: t('A promoted one is no longer served afterwards. It can be promoted again.'),
    button: t('Retire'),
  },
};

/** Promote or retire, with the reason that is kept with the model. */
export function ChangeState({ model }: { model: RewardModelDetail }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [verb, setVerb] = useState<Verb | null>(null);
  const [reason, setReason] = useState('');
  const change = useMutation({
    mutationFn: (chosen: Verb) => api.post(`projects/${slug}/reward-models/${model.id}/${chosen}`, { reason }),
    onSuccess: async (_, chosen) => {
      const { version } = model;
      tell(chosen === 'promote' ? t('v{{version}} is in use.', { version }) : t('v{{version}} is retired.', { version }));
      setVerb(null);
      setReason('');
      await queries.invalidateQueries({ queryKey: ['projects', slug] });
    },
  });
  const ask = (chosen: Verb) => {
    change.reset();
    setVerb(chosen);
  };
  const texts = verb && TEXTS[verb];
  return (
    <>
      {(model.state === 'candidate' || model.state === 'retired') && <Button onClick={() => ask('promote')}>{t('Promote')}</Button>}
      {(model.state === 'candidate' || model.state === 'promoted') && (
        <Button variant="default" onClick={() => ask('retire')}>
          {t('Retire')}
        </Button>
      )}
      <Modal opened={verb !== null} onClose={() => setVerb(null)} title={texts?.title}>
        {verb && texts && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              change.mutate(verb);
            }}
          >
            <Stack>
              {change.error && (
                <Alert color="red" role="alert">
                  {change.error.message}
                </Alert>
              )}
              <Text size="sm">{texts.text}</Text>
              <Textarea
                label={t('Why')}
                required
                autosize
                minRows={2}
                maxLength={500}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
                data-autofocus
              />
              <Group justify="flex-end">
                <Button variant="default" onClick={() => setVerb(null)}>
                  {t('Leave it')}
                </Button>
                <Button type="submit" loading={change.isPending} color={verb === 'retire' ? 'red' : undefined}>
                  {texts.button}
                </Button>
              </Group>
            </Stack>
          </form>
        )}
      </Modal>
    </>
  );
}
