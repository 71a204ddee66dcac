/** The stages of a refresh, in words. */

import type { RefreshCycle, RewardModel, StageState } from '@/lib/api/types';
import { t } from '@/lib/i18n';

export const STAGES: Record<string, { label: string; does: string }> = {
  export: { label: t('Comparison set'), does: t('Filters the ratings and freezes them as files') },
  base: { label: t('Base model'), does: t('Finds or makes the SFT model that the reward model starts from') },
  train: { label: t('Training'), does: t('Bradley-Terry training on the comparison set') },
  evaluate: { label: t('Evaluation'), does: t('Accuracy on held-out prompts, beside the baselines') },
  promote: { label: t('Promotion'), does: t('Puts the reward model into use if it earned it') },
  sample: { label: t('Sampling'), does: t('Chooses the comparisons to ask for next') },
};

export function label(stage: string): string {
  return STAGES[stage]?.label ?? stage;
}

const COLOURS: Record<StageState, string> = {
  pending: 'gray',
  running: 'blue',
  succeeded: 'teal',
  skipped: 'gray',
  failed: 'red',
};

export const MODEL_COLOURS: Record<RewardModel['state'], string> = {
  training: 'blue',
  candidate: 'yellow',
  promoted: 'teal',
  retired: 'gray',
  failed: 'red',
};

export function colour(state: StageState): string {
  return COLOURS[state];
}

/** The position up to which a stepper is lit: the last stage that has begun, the running or failed one included; -1 for none. */
export function lastBegun(stages: RefreshCycle['stages']): number {
  const firstPending = stages.findIndex((stage) => stage.state === 'pending');
  return (firstPending === -1 ? stages.length : firstPending) - 1;
}
