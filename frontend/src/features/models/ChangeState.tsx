import { Alert, Button, Group, List, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { tell } from '@/components/notify';
import { api, ApiError } from '@/lib/api/client';
import type { PromotionBlock, RewardModel, RewardModelDetail } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { blocksIn } from './report';

type Verb = 'promote' | 'retire' | 'roll-back';

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
  'roll-back': {
    title: t('Roll back?'),
    text: t('The model that was promoted before the present one is in use again within seconds. No rule is asked.'),
    button: t('Roll back'),
  },
};

const done = (verb: Verb, version: number) => {
  if (verb === 'retire') return t('v{{version}} is retired.', { version });
  return verb === 'promote' ? t('v{{version}} is in use.', { version }) : t('v{{version}} is in use again.', { version });
};

/** Promote or retire a model, with the reason that is kept with it and what the rules say against it. */
export function ChangeState({ model }: { model: RewardModelDetail }) {
  const [verb, setVerb] = useState<Verb | null>(null);
  return (
    <>
      {(model.state === 'candidate' || model.state === 'retired') && <Button onClick={() => setVerb('promote')}>{t('Promote')}</Button>}
      {(model.state === 'candidate' || model.state === 'promoted') && (
        <Button variant="default" onClick={() => setVerb('retire')}>
          {t('Retire')}
        </Button>
      )}
      <ReasonedChange verb={verb} model={model} close={() => setVerb(null)} />
    </>
  );
}

/** Puts the model into use that was promoted before the one in use. */
export function RollBack() {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" onClick={() => setOpen(true)}>
        {t('Roll back')}
      </Button>
      <ReasonedChange verb={isOpen ? 'roll-back' : null} close={() => setOpen(false)} />
    </>
  );
}

function ReasonedChange({ verb, model, close }: { verb: Verb | null; model?: RewardModel; close: () => void }) {
  return (
    <Modal opened={verb !== null} onClose={close} title={verb && TEXTS[verb].title} closeButtonProps={{ 'aria-label': t('Close') }}>
      {verb && <ReasonForm verb={verb} model={model} close={close} />}
    </Modal>
  );
}

function ReasonForm({ verb, model, close }: { verb: Verb; model?: RewardModel; close: () => void }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  // As the page knew it; the server may have learnt of more since.
  const [blocks, setBlocks] = useState<PromotionBlock[]>(verb === 'promote' ? (model?.blocks ?? []) : []);
  const isForced = verb === 'promote' && blocks.length > 0;
  const path = `projects/${slug}/reward-models/${verb === 'roll-back' ? '' : `${model?.id}/`}${verb}`;
  const change = useMutation({
    mutationFn: () => api.post<RewardModelDetail>(path, { reason, ...(isForced && { is_forced: true }) }),
    onSuccess: async ({ version }) => {
      tell(done(verb, version));
      close();
      await queries.invalidateQueries({ queryKey: ['projects', slug] });
    },
    onError: (error) => {
      if (error instanceof ApiError && error.code === 'promotion_blocked') setBlocks(blocksIn(error.extra));
    },
  });
  const isBlocked = change.error instanceof ApiError && change.error.code === 'promotion_blocked' && blocks.length > 0;
  const { text, button } = TEXTS[verb];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <Stack>
        {change.error && !isBlocked && (
          <Alert color="red" role="alert">
            {change.error.message}
          </Alert>
        )}
        {isForced && <Blocks blocks={blocks} />}
        <Text size="sm">{text}</Text>
        <Textarea
          label={isForced ? t('Why all the same') : t('Why')}
          required
          autosize
          minRows={2}
          maxLength={500}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('Leave it')}
          </Button>
          <Button type="submit" loading={change.isPending} color={verb === 'retire' || isForced ? 'red' : undefined}>
            {isForced ? t('Promote anyway') : button}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** What the project's rules say against promoting a model. */
export function Blocks({ blocks }: { blocks: PromotionBlock[] }) {
  return (
    <Alert color="orange" title={t('The rules are against promoting it')} role="status" styles={{ title: { color: 'var(--mantine-color-text)' } }}>
      <List size="sm" spacing={4}>
        {blocks.map(({ code, message }, position) => (
          <List.Item key={`${code} ${position}`}>{message}</List.Item>
        ))}
      </List>
    </Alert>
  );
}
