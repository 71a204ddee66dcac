/** The stages of a refresh, in words. */

import type { RefreshCycle, RefreshState, RewardModel, StageState } from '@/lib/api/types';
import { t } from '@/lib/i18n';

interface Words {
  label: string;
  does: string;
  /** What is lost when it is left out. */
  without: string;
}

export const STAGES: Record<string, Words> = {
  drift: {
    label: t('Drift check'),
    does: t('Compares what the policy writes now with what the reward model learnt from'),
    without: t('Nobody looks whether the policy has moved on. All else goes on as planned.'),
  },
  candidates: {
    label: t('Candidates'),
    does: t('Has models write new completions to compare'),
    without: t('Comparisons are chosen from the completions that are in the pool.'),
  },
  sample: {
    label: t('Sampling'),
    does: t('Chooses the comparisons whose labels would teach most'),
    without: t('Nothing new is asked, and no labels are waited for: it trains on the ratings there are.'),
  },
  label: {
    label: t('Labelling'),
    does: t('Waits for people to rate what was chosen'),
    without: t('It goes on with the ratings there are. What was asked for stays on top of the queue until the round is withdrawn.'),
  },
  export: {
    label: t('Comparison set'),
    does: t('Filters the ratings and freezes them as files'),
    without: t('Without a comparison set nothing is trained: the stages after it have nothing to work on.'),
  },
  base: {
    label: t('Base model'),
    does: t('Finds or makes the SFT model that the reward model starts from'),
    without: t('The base model is looked for when training begins.'),
  },
  train: {
    label: t('Training'),
    does: t('Bradley-Terry training on the comparison set'),
    without: t('There will be no new reward model: evaluation, promotion and scorer swap have nothing to work on.'),
  },
  evaluate: {
    label: t('Evaluation'),
    does: t('Accuracy on held-out prompts, beside the baselines and the model in use'),
    without: t('The new model is not measured beside the one in use, and a rule that needs the numbers will not promote it.'),
  },
  promote: {
    label: t('Promotion'),
    does: t('Puts the reward model into use if it earned it'),
    without: t('The new model stays a candidate. It can be promoted on its page at any time.'),
  },
  swap: {
    label: t('Scorer swap'),
    does: t('Waits until the scorer serves the new model'),
    without: t('Nobody waits for the scorer; it changes to a promoted model by itself.'),
  },
};

export function label(stage: string): string {
  return STAGES[stage]?.label ?? stage;
}

const COLOURS: Record<StageState, string> = {
  pending: 'gray',
  running: 'blue',
  waiting: 'violet',
  succeeded: 'teal',
  skipped: 'gray',
  failed: 'red',
};

export const REFRESH_COLOURS: Record<RefreshState, string> = {
  running: 'blue',
  waiting: 'violet',
  succeeded: 'teal',
  failed: 'red',
  cancelled: 'orange',
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

const AT_WORK: StageState[] = ['running', 'waiting', 'failed'];

/** The position up to which a stepper is lit: the stage that runs, waits or failed, else the last that is over; -1 for
 * none. One that somebody left out ahead of its time lights nothing. */
export function lastBegun(stages: RefreshCycle['stages']): number {
  const atWork = stages.findIndex(({ state }) => AT_WORK.includes(state));
  if (atWork !== -1) return atWork;
  const firstPending = stages.findIndex(({ state }) => state === 'pending');
  return (firstPending === -1 ? stages.length : firstPending) - 1;
}

const TRIGGERS: Record<RefreshCycle['trigger'], string> = {
  hand: t('by hand'),
  drift: t('by drift'),
  ratings: t('by new ratings'),
  schedule: t('by the schedule'),
};

/** What started a refresh: "by drift: report 3 finds strong drift". */
export function triggerWords({ trigger, trigger_reason }: Pick<RefreshCycle, 'trigger' | 'trigger_reason'>): string {
  return trigger_reason ? `${TRIGGERS[trigger]}: ${trigger_reason}` : TRIGGERS[trigger];
}

/** How often to look again, in ms: while it works, while people are waited for, or not at all. */
export function pollEvery(state: RefreshState | undefined): number | false {
  if (state === 'running') return 2_000;
  return state === 'waiting' ? 10_000 : false;
}

/** The stage that a waiting refresh waits at. */
export const waitingAt = ({ state, stages }: Pick<RefreshCycle, 'state' | 'stages'>) =>
  state === 'waiting' ? stages.find((stage) => stage.state === 'waiting') : undefined;
