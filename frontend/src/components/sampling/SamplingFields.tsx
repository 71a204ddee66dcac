import { NumberInput, Select } from '@mantine/core';
import type { FormPart } from '@/lib/formPart';
import { t } from '@/lib/i18n';
import { ACQUISITIONS, DIVERSITIES, PROMPT_RULES, type Choice } from '@/lib/sampling/rules';
import type { SamplingForm } from '@/lib/sampling/form';

interface Props {
  part: FormPart<SamplingForm>;
}

/** How many comparisons are asked for. */
export function BudgetField({ part, isFirst = false }: Props & { isFirst?: boolean }) {
  return (
    <NumberInput
      label={t('Comparisons to ask for')}
      description={t('They come first in every labeller’s queue.')}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      min={1}
      max={50_000}
      allowDecimal={false}
      data-autofocus={isFirst || undefined}
      {...part.props('budget')}
    />
  );
}

export function RandomShareField({ part }: Props) {
  return (
    <NumberInput
      label={t('Of them at random, %')}
      description={t('10 to 20 show what the whole pool is like, and whether the rule beats chance.')}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      min={0}
      max={100}
      step={5}
      {...part.props('random_share')}
    />
  );
}

/** By what pairs and prompts are chosen. */
export function RuleFields({ part }: Props) {
  const rule = (label: string, field: 'acquisition' | 'prompt_rule' | 'diversity', offered: Choice[]) => (
    <Select
      label={label}
      description={offered.find(({ value }) => value === part.values[field])?.does}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      allowDeselect={false}
      data={offered}
      {...part.props(field)}
    />
  );
  return (
    <>
      {rule(t('Which pairs'), 'acquisition', ACQUISITIONS)}
      {rule(t('Which prompts'), 'prompt_rule', PROMPT_RULES)}
      {rule(t('How the round is spread over the pool'), 'diversity', DIVERSITIES)}
    </>
  );
}

/** What is seldom changed, to stand in a grid. */
export function MoreSamplingFields({ part }: Props) {
  return (
    <>
      <NumberInput label={t('Comparisons of one prompt at most')} min={1} max={100} allowDecimal={false} {...part.props('max_per_prompt')} />
      <NumberInput
        label={t('Clusters of prompts')}
        placeholder={t('by the size of the pool')}
        min={0}
        max={10_000}
        allowDecimal={false}
        {...part.props('n_clusters')}
      />
      <NumberInput label={t('One cluster at most, %')} min={1} max={100} {...part.props('max_cluster_share')} />
      <NumberInput label={t('Seed')} placeholder={t('default')} min={0} allowDecimal={false} {...part.props('seed')} />
    </>
  );
}
