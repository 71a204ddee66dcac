import { Select } from '@mantine/core';
import type { PolicyEvaluation } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';

interface Props {
  evaluations: PolicyEvaluation[];
  step: number;
  onChange: (step: number) => void;
}

/** Which evaluation is looked at. */
export function EvaluationSelect({ evaluations, step, onChange }: Props) {
  return (
    <Select
      label={t('Evaluation')}
      w={260}
      maw="100%"
      allowDeselect={false}
      value={String(step)}
      onChange={(value) => value !== null && onChange(Number(value))}
      data={evaluations.toReversed().map((one) => ({
        value: String(one.step),
        label: t('after {{count}} updates, KL {{kl}}', { count: one.step, kl: number(one.metrics.kl, 1) }),
      }))}
    />
  );
}
