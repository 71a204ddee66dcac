import { NumberInput, Radio, SegmentedControl, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useId } from 'react';
import { MixFields, MoreGenerationFields, PromptFields } from '@/components/generation/GenerationFields';
import { BudgetField, MoreSamplingFields, RandomShareField, RuleFields } from '@/components/sampling/SamplingFields';
import type { GenerationChoices } from '@/lib/api/types';
import { within, type FormPart } from '@/lib/formPart';
import { t } from '@/lib/i18n';
import type { RefreshForm, SpecFields, TrainingFields } from './form';

interface Props {
  part: FormPart<RefreshForm>;
}

const UNDER = ['label', 'input', 'description', 'error'] as ('label' | 'input' | 'description' | 'error')[];

/** Whether models write new completions. */
export function CandidatesChoice({ part }: Props) {
  return (
    <Radio.Group
      label={t('Which completions are compared')}
      value={part.values.isGenerating ? 'new' : 'pool'}
      onChange={(value) => part.set('isGenerating', value === 'new')}
      error={part.error('candidates')}
    >
      <Stack gap="xs" mt={4}>
        <Radio value="new" label={t('New ones, written for this')} description={t('By the current policy and what else you choose below.')} />
        <Radio value="pool" label={t('Those in the pool')} description={t('Nothing is generated; pairs that nobody has rated are taken.')} />
      </Stack>
    </Radio.Group>
  );
}

export function CandidatesFields({ part, choices }: Props & { choices: GenerationChoices }) {
  const generation = within(part, 'candidates', part.values.candidates);
  return (
    <Stack>
      <PromptFields part={generation} />
      <MixFields part={generation} choices={choices} />
      <MoreGenerationFields part={generation} choices={choices} />
    </Stack>
  );
}

export function Budget({ part }: Props) {
  return <BudgetField part={within(part, 'sampling', part.values.sampling)} />;
}

/** How pairs are chosen, but for how many. */
export function SamplingRules({ part }: Props) {
  const sampling = within(part, 'sampling', part.values.sampling);
  return (
    <Stack>
      <RuleFields part={sampling} />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <RandomShareField part={sampling} />
        <MoreSamplingFields part={sampling} />
      </SimpleGrid>
    </Stack>
  );
}

/** When labelling is done. */
export function LabellingFields({ part }: Props) {
  return (
    <>
      <NumberInput
        label={t('Go on when labelled, %')}
        description={t('Of what was asked for. The last few take longest.')}
        inputWrapperOrder={UNDER}
        min={1}
        max={100}
        step={5}
        {...part.props('labelling.target_share')}
      />
      <NumberInput
        label={t('At the latest after, days')}
        description={t('With what is labelled by then.')}
        inputWrapperOrder={UNDER}
        placeholder={t('no limit')}
        min={1}
        max={365}
        allowDecimal={false}
        {...part.props('labelling.max_days')}
      />
    </>
  );
}

/** What counts as training data. */
export function SpecFieldsMain({ part }: Props) {
  const ties = useId();
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NumberInput label={t('Ratings a comparison needs')} min={1} max={50} allowDecimal={false} {...part.props('spec.min_ratings')} />
        <NumberInput label={t('Least agreement, %')} min={0} max={100} step={5} {...part.props('spec.min_agreement')} />
      </SimpleGrid>
      <div>
        <Text size="sm" fw={500} id={ties}>
          {t('Comparisons without a preferred side')}
        </Text>
        <SegmentedControl
          aria-labelledby={ties}
          data={[
            { value: 'drop', label: t('Leave out') },
            { value: 'soft', label: t('Keep as ties') },
          ]}
          {...part.props('spec.ties')}
        />
      </div>
    </Stack>
  );
}

export function SpecFieldsMore({ part }: Props) {
  return (
    <>
      <Switch
        label={t('The stronger the preference, the more it weighs')}
        checked={part.values.spec.intensity_weighting === 'scaled_bt'}
        onChange={({ currentTarget }) => part.set('spec.intensity_weighting', currentTarget.checked ? 'scaled_bt' : 'none')}
      />
      <Switch
        label={t('Take comparisons that a reviewer has settled, by the verdict')}
        {...part.props('spec.include_adjudicated', { type: 'checkbox' })}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Optional part={part} label={t('Comparisons at most')} field="spec.max_comparisons" min={1} />
      </SimpleGrid>
    </>
  );
}

/** From what training starts. */
export function StartField({ part }: Props) {
  const { start } = part.values.training;
  return (
    <>
      <Radio.Group label={t('Training starts from')} {...part.props('training.start')}>
        <Stack gap="xs" mt={4}>
          <Radio value="fresh" label={t('A base model')} description={t('Fresh each time: nothing of the old model carries over.')} />
          <Radio
            value="continued"
            label={t('The reward model in use')}
            description={t('Faster. It sees earlier comparisons again, so that it does not forget them.')}
          />
        </Stack>
      </Radio.Group>
      {start === 'continued' && (
        <NumberInput
          label={t('Earlier comparisons for each new one')}
          description={t('Seen again, so that it does not forget them. 0 is quickest and forgets most where the new ones are of another kind.')}
          inputWrapperOrder={UNDER}
          min={0}
          max={20}
          step={0.5}
          {...part.props('training.replay')}
        />
      )}
    </>
  );
}

export function BaseField({ part }: Props) {
  return (
    <TextInput
      label={t('Base model')}
      description={t('builtin, checkpoint:ID, or a path or hub id with safetensors weights')}
      maxLength={500}
      inputWrapperOrder={UNDER}
      {...part.props('base_model')}
    />
  );
}

export function PromotionField({ part }: Props) {
  return (
    <Radio.Group label={t('Promotion')} {...part.props('promotion')}>
      <Stack gap="xs" mt={4}>
        <Radio value="rule" label={t('By the project’s rules')} description={t('The model is in use as soon as it has earned it.')} />
        <Radio value="hand" label={t('By hand')} description={t('The refresh waits until somebody has looked at the model.')} />
      </Stack>
    </Radio.Group>
  );
}

/** How it is trained, where the defaults will not do; to stand in a grid. */
export function TrainingOptions({ part }: Props) {
  return (
    <>
      <Optional part={part} label={t('Epochs')} field="training.epochs" min={1} max={100} />
      <Optional part={part} label={t('Batch size')} field="training.batch_size" min={1} max={4096} />
      <Optional part={part} label={t('Learning rate')} field="training.learning_rate" max={1} step={0.0001} />
      <Optional part={part} label={t('Longest text, tokens')} field="training.max_length" min={8} max={131_072} />
      <Optional part={part} label={t('Seed')} field="training.seed" min={0} />
    </>
  );
}

interface OptionalProps extends Props {
  label: string;
  field: `spec.${keyof SpecFields}` | `training.${keyof TrainingFields}`;
  min?: number;
  max?: number;
  step?: number;
}

function Optional({ part, label, field, ...limits }: OptionalProps) {
  return <NumberInput label={label} placeholder={t('default')} allowNegative={false} {...limits} {...part.props(field)} />;
}
