import { Accordion, SimpleGrid, Stack, Switch, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { GenerationChoices } from '@/lib/api/types';
import type { FormPart } from '@/lib/formPart';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { acquisitionWords } from '@/lib/sampling/rules';
import {
  BaseField, Budget, CandidatesChoice, CandidatesFields, LabellingFields, PromotionField, SamplingRules, SpecFieldsMain, SpecFieldsMore, StartField,
  TrainingOptions,
} from './Fields';
import type { RefreshForm, Section } from './form';

interface Props {
  part: FormPart<RefreshForm>;
  choices: GenerationChoices;
  open: Section[];
  setOpen: (open: Section[]) => void;
}

/** Everything that a refresh is asked with: what most change in sight, the rest folded, each fold with what is in it. */
export function RefreshFields({ part, choices, open, setOpen }: Props) {
  const { ask, isGenerating, candidates, sampling, spec, training, base_model, promotion } = part.values;
  const isContinued = training.start === 'continued';
  return (
    <>
      <Switch
        label={t('Ask for new ratings first')}
        description={t('Chosen comparisons go on top of every queue; training begins when they are labelled.')}
        {...part.props('ask', { type: 'checkbox' })}
      />
      {ask && (
        <>
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            <Budget part={part} />
            <LabellingFields part={part} />
          </SimpleGrid>
          <CandidatesChoice part={part} />
        </>
      )}
      <Accordion variant="contained" multiple value={open} onChange={(value) => setOpen(value as Section[])}>
        {ask && isGenerating && (
          <Fold
            section="candidates"
            title={t('New completions')}
            summary={t('{{prompts}}, {{sources}}', {
              prompts: t('{{count}} prompts', { count: Number(candidates.n_prompts) }),
              sources: t('{{count}} sources', { count: candidates.mix.length }),
            })}
          >
            <CandidatesFields part={part} choices={choices} />
          </Fold>
        )}
        {ask && (
          <Fold
            section="sampling"
            title={t('How comparisons are chosen')}
            summary={t('{{rule}}, {{share}} % at random', { rule: acquisitionWords(sampling.acquisition), share: number(Number(sampling.random_share)) })}
          >
            <SamplingRules part={part} />
          </Fold>
        )}
        <Fold
          section="labels"
          title={t('What it is trained on')}
          summary={[
            t('{{count}} ratings a comparison or more', { count: Number(spec.min_ratings || 1) }),
            Number(spec.min_agreement) > 0 && t('{{share}} % agreement', { share: number(Number(spec.min_agreement)) }),
            spec.ties === 'drop' ? t('ties left out') : t('ties kept'),
          ]
            .filter(Boolean)
            .join(', ')}
        >
          <SpecFieldsMain part={part} />
        </Fold>
        <Fold
          section="training"
          title={t('Training and promotion')}
          summary={`${isContinued ? t('continued from the model in use') : t('fresh from {{base}}', { base: base_model || 'builtin' })}, ${
            promotion === 'rule' ? t('promoted by the rules') : t('promoted by hand')
          }`}
        >
          <Stack>
            <StartField part={part} />
            {!isContinued && <BaseField part={part} />}
            <PromotionField part={part} />
          </Stack>
        </Fold>
        <Fold section="advanced" title={t('Advanced')}>
          <Stack>
            <SpecFieldsMore part={part} />
            <SimpleGrid cols={{ base: 1, sm: 2 }}>
              <TrainingOptions part={part} />
            </SimpleGrid>
          </Stack>
        </Fold>
      </Accordion>
    </>
  );
}

function Fold({ section, title, summary, children }: { section: Section; title: string; summary?: string; children: ReactNode }) {
  return (
    <Accordion.Item value={section}>
      <Accordion.Control>
        <Text fw={500}>{title}</Text>
        {summary && (
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {summary}
          </Text>
        )}
      </Accordion.Control>
      <Accordion.Panel>{children}</Accordion.Panel>
    </Accordion.Item>
  );
}
