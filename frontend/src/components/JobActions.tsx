import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { Job } from '@/lib/api/types';
import { t } from '@/lib/i18n';

/** Cancel or go on with a job; `reload` names the queries that show it. */
export function JobActions({ job, reload }: { job: Job; reload: readonly unknown[] }) {
  const queries = useQueryClient();
  const act = useMutation({
    mutationFn: (verb: 'cancel' | 'retry') => api.post(`jobs/${job.id}/${verb}`),
    onSuccess: async (_, verb) => {
      tell(verb === 'cancel' ? t('It stops at its next safe point.') : t('It goes on from where it stopped.'));
      await queries.invalidateQueries({ queryKey: reload });
    },
    onError: complain,
  });
  if (job.can_cancel && !job.is_cancelling) {
    return (
      <Button
        variant="default"
        loading={act.isPending}
        onClick={() =>
          askFirst({
            title: t('Cancel this job?'),
            text: t('It writes a checkpoint and stops. A retry goes on from there.'),
            confirm: t('Cancel the job'),
            onConfirm: () => act.mutate('cancel'),
          })
        }
      >
        {t('Cancel')}
      </Button>
    );
  }
  if (!job.can_retry) return null;
  return (
    <Button loading={act.isPending} onClick={() => act.mutate('retry')}>
      {t('Retry')}
    </Button>
  );
}
