import { Alert, Button, Group, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { PolicyEvaluation, PolicyRunDetail } from '@/lib/api/types';
import { fileSize } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

interface Props {
  run: PolicyRunDetail;
  evaluation: PolicyEvaluation;
  /** Where there is little room. */
  isShort?: boolean;
}

/** Keeps an evaluation's policy in the place of the one that its finished run kept. */
export function KeepButton({ run, evaluation: { step }, isShort = false }: Props) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const keep = useMutation({
    mutationFn: () => api.post<PolicyRunDetail>(`projects/${slug}/policy-runs/${run.number}/evaluations/${step}/keep`),
    onSuccess: async () => {
      tell(t('Kept: {{policy}}.', { policy: policyOf(step) }));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs'] });
    },
    onError: complain,
  });
  return (
    <Button
      variant="default"
      size="compact-sm"
      loading={keep.isPending}
      aria-label={t('Keep this one instead')}
      onClick={() =>
        askFirst({
          title: t('Keep this one instead?'),
          text:
            step === 0
              ? t('Nothing of this run is kept then: generations, drift reports and refreshes take the policy of the run before, or the SFT model. Keeping another one again undoes it.')
              : t(
                  'Generations, drift reports and refreshes take {{policy}} from now on, unless a later run has kept one. What was written by the one kept so far stays. Keeping that again undoes it.',
                  { policy: policyOf(step) },
                ),
          confirm: t('Keep this one'),
          dismiss: t('Not now'),
          isHarmless: true,
          onConfirm: () => keep.mutate(),
        })
      }
    >
      {isShort ? t('Keep') : t('Keep this one instead')}
    </Button>
  );
}

/** Once a run has ended: what people say is the best by now, and a way to keep it where that is another one. */
export function PeoplesBest({ run, evaluations, mayTrain }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[]; mayTrain: boolean }) {
  const { people, best_step } = run.report;
  const best = evaluations.find(({ step }) => step === people?.best_step);
  if (!run.can.keep || !best || best_step === null) return null;
  if (best.step === best_step) {
    return (
      <Text size="sm" mb="sm">
        {t('By all ratings so far the best is what is kept: {{best}}.', { best: policyOf(best.step) })}
      </Text>
    );
  }
  return (
    <Alert color="orange" mb="sm">
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {t('By all ratings so far the best is {{best}}. Kept is {{kept}}.', { best: policyOf(best.step), kept: policyOf(best_step) })}
          {!best.has_model && ` ${t('The model of the best is gone.')}`}
        </Text>
        {mayTrain && best.has_model && <KeepButton run={run} evaluation={best} />}
      </Group>
    </Alert>
  );
}

/** Removes what could be kept instead and is not, once that is settled. */
export function SpareModels({ run }: { run: PolicyRunDetail }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const { n } = run.spare;
  const size = fileSize(run.spare.n_bytes);
  const remove = useMutation({
    mutationFn: () => api.delete(`projects/${slug}/policy-runs/${run.number}/models`),
    onSuccess: async () => {
      tell(t('Freed: {{size}}.', { size }));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs'] });
    },
    onError: complain,
  });
  if (n === 0) return null;
  return (
    <Group gap="sm" mt="xs">
      <Text size="sm" c="dimmed">
        {t('{{count}} policies that can be kept instead take {{size}} of disk.', { count: n, size })}
      </Text>
      <Button
        variant="default"
        size="compact-sm"
        loading={remove.isPending}
        onClick={() =>
          askFirst({
            title: t('Remove what is not kept?'),
            text: t(
              '{{count}} policies of this run are removed for good, and none of them can be kept instead any more. What is a checkpoint stays, and so do all numbers, samples and answers.',
              { count: n },
            ),
            confirm: t('Remove them'),
            onConfirm: () => remove.mutate(),
          })
        }
      >
        {t('Remove them')}
      </Button>
    </Group>
  );
}

const policyOf = (step: number) => (step === 0 ? t('the model it started from') : t('the policy after {{count}} updates', { count: step }));
