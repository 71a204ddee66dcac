import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { LabellerRow } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { WriteDialog } from './WriteDialog';

type Writing = 'pause' | 'exclude' | 'requalify' | 'message';

/** What a reviewer can do about a labeller. Each is confirmed, recorded, and can be taken back. */
export function Actions({ labeller }: { labeller: LabellerRow }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [writing, setWriting] = useState<Writing | null>(null);
  const { id, membership, pseudonym, paused_at, excluded_at, is_active } = labeller;
  const own = `projects/${slug}/labellers/${id}`;
  const pause = `projects/${slug}/members/${membership}/pause`;
  // Everything of the project: who counts changes every figure, and the members' page shows it too.
  const refresh = () => queries.invalidateQueries({ queryKey: ['projects', slug] });
  const done = async (message: string) => {
    await refresh();
    tell(message);
  };
  const resume = useMutation({
    mutationFn: () => api.delete(pause),
    onSuccess: () => done(t('{{name}} is given work again.', { name: pseudonym })),
    onError: complain,
  });
  const include = useMutation({
    mutationFn: () => api.delete(`${own}/exclusion`),
    onSuccess: () => done(t('The ratings count again; the figures follow within seconds.')),
    onError: complain,
  });
  const dialogs = {
    pause: {
      title: t('Pause {{name}}?', { name: pseudonym }),
      text: t('They are given no more work until a reviewer lets them go on. Their ratings stay.'),
      label: t('Reason'),
      hint: t('They read it on their screen.'),
      maxLength: 300,
      action: t('Pause'),
      onSubmit: async (reason: string) => {
        await api.post(pause, { reason });
        await done(t('{{name}} is paused.', { name: pseudonym }));
      },
    },
    exclude: {
      title: t('Exclude the ratings of {{name}}?', { name: pseudonym }),
      text: t('They are left out of the project’s agreement, of answers and of new comparison sets. They stay readable, and can be included again.'),
      label: t('Reason'),
      hint: t('It is recorded with your name; they do not see it.'),
      maxLength: 300,
      action: t('Exclude'),
      colour: 'red',
      onSubmit: async (reason: string) => {
        await api.post(`${own}/exclusion`, { reason });
        await done(t('Excluded; the figures follow within seconds.'));
      },
    },
    requalify: {
      title: t('Have {{name}} qualify anew?', { name: pseudonym }),
      text: t('Their passed quiz is taken back: they read the guidelines and pass the quiz again before there is more work.'),
      label: t('Reason'),
      hint: t('They read it on their screen.'),
      maxLength: 300,
      action: t('Take the pass back'),
      onSubmit: async (reason: string) => {
        await api.post(`${own}/requalification`, { reason });
        await done(t('They qualify anew before there is more work.'));
      },
    },
    message: {
      title: t('Message to {{name}}', { name: pseudonym }),
      text: t('They read it on their labelling screen.'),
      label: t('Message'),
      hint: undefined,
      maxLength: 5000,
      action: t('Send'),
      onSubmit: async (text: string) => {
        await api.post(`${own}/messages`, { text });
        await done(t('Sent.'));
      },
    },
  };
  const isMember = membership !== null && is_active;
  return (
    <>
      {isMember && (
        <Button variant="default" onClick={() => setWriting('message')}>
          {t('Write to them')}
        </Button>
      )}
      {isMember && (
        <Button variant="default" onClick={() => setWriting('requalify')}>
          {t('Qualify anew')}
        </Button>
      )}
      {membership !== null &&
        (paused_at ? (
          <Button
            variant="default"
            loading={resume.isPending}
            onClick={() =>
              askFirst({
                title: t('Let {{name}} go on?', { name: pseudonym }),
                text: t('They are given work again at once.'),
                confirm: t('Let them go on'),
                onConfirm: () => resume.mutate(),
              })
            }
          >
            {t('Let them go on')}
          </Button>
        ) : (
          is_active && (
            <Button variant="default" onClick={() => setWriting('pause')}>
              {t('Pause')}
            </Button>
          )
        ))}
      {excluded_at ? (
        <Button
          variant="default"
          loading={include.isPending}
          onClick={() =>
            askFirst({
              title: t('Include the ratings of {{name}} again?', { name: pseudonym }),
              text: t('They count in the project’s agreement, in answers and in new comparison sets.'),
              confirm: t('Include'),
              onConfirm: () => include.mutate(),
            })
          }
        >
          {t('Include')}
        </Button>
      ) : (
        <Button variant="default" onClick={() => setWriting('exclude')}>
          {t('Exclude')}
        </Button>
      )}
      {writing && <WriteDialog {...dialogs[writing]} onClose={() => setWriting(null)} />}
    </>
  );
}
