/** The stages of a refresh, in words. */

import type { RefreshCycle, RewardModel, StageState } from '@/lib/api/types';

export const STAGES: Record<string, { label: string; does: string }> = {
  export: { label: 'Comparison set', does: 'Filters the ratings and freezes them as files' },
  base: { label: 'Base model', does: 'Finds or makes the SFT model that the reward model starts from' },
  train: { label: 'Training', does: 'Bradley-Terry training on the comparison set' },
  evaluate: { label: 'Evaluation', does: 'Accuracy on held-out prompts, beside the baselines' },
  promote: { label: 'Promotion', does: 'Puts the reward model into use if it earned it' },
  sample: { label: 'Sampling', does: 'Chooses the comparisons to ask for next' },
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
