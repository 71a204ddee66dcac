/** What was done, by its code, and what it changed. */

import type { AuditEvent } from '@/lib/api/types';
import { t } from '@/lib/i18n';

const ACTIONS: Record<string, string> = {
  'project.changed': t('Settings changed'),
  'member.invited': t('Member invited'),
  'member.invitation_revoked': t('Invitation withdrawn'),
  'member.joined': t('Member joined'),
  'member.role_changed': t('Role changed'),
  'member.activated': t('Member activated'),
  'member.deactivated': t('Member deactivated'),
  'member.removed': t('Member removed'),
  'member.paused': t('Member paused'),
  'member.resumed': t('Member resumed'),
  'member.excluded': t('Ratings excluded'),
  'member.included': t('Ratings included again'),
  'member.requalified': t('Qualification taken back'),
  'member.messaged': t('Message sent'),
  'comparison.adjudicated': t('Comparison settled'),
  'comparison.reopened': t('Comparison sent back to labelling'),
  'comparison.gold_set': t('Known answer given'),
  'comparison.gold_unset': t('Known answer taken away'),
  'guidelines.published': t('Guidelines published'),
  'guidelines.draft_discarded': t('Guideline draft discarded'),
  'qualification.allowed': t('Quiz attempts allowed'),
  'export.written': t('Comparison set exported'),
  'export.above_limit': t('Exported above the limit of disagreement'),
  'table.downloaded': t('Table downloaded'),
  'reward_model.promoted': t('Reward model promoted'),
  'reward_model.retired': t('Reward model retired'),
  'reward_model.rolled_back': t('Reward model rolled back'),
  'reward_model.rules_changed': t('Rules of promotion changed'),
  'constitution.published': t('Constitution published'),
  'judge.started': t('AI labelling started'),
  'judge.allowed': t('AI ratings allowed'),
  'judge.withdrawn': t('AI ratings withdrawn'),
  'bulk_scoring.started': t('Scoring of a file started'),
  'generation.started': t('Generation started'),
  'refresh.started': t('Refresh started'),
  'sft_run.started': t('SFT run started'),
  'policy_run.started': t('Policy run started'),
  'policy_run.cancelled': t('Policy run cancelled'),
  'policy_run.retried': t('Policy run retried'),
  'policy_run.kept': t('Another policy of a run kept'),
  'policy_run.models_removed': t('Models of a policy run removed'),
  'policy_run.people_asked': t('People asked about a policy'),
  'policy_run.adversarial_kept': t('What fooled the reward model kept'),
  'sampling_round.started': t('Sampling round started'),
  'sampling_round.withdrawn': t('Sampling round withdrawn'),
  'sampling_round.restored': t('Sampling round restored'),
  'import.started': t('Import started'),
};

/** In the reader's language; the server's words for what is not known here. */
export const actionWords = (code: string, label = code): string => ACTIONS[code] ?? label;

export interface Detail {
  name: string;
  /** What it was before; undefined where there is no before. */
  before?: string;
  after: string;
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean') return value ? t('Yes') : t('No');
  if (Array.isArray(value)) return value.length > 0 ? value.map(shown).join(', ') : '–';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A field that changed holds what it was and what it became; anything else is as it is. */
export function detailsOf({ details }: Pick<AuditEvent, 'details'>): Detail[] {
  return Object.entries(details).map(([field, value]) => {
    const name = field.replaceAll('_', ' ');
    return Array.isArray(value) && value.length === 2
      ? { name, before: shown(value[0]), after: shown(value[1]) }
      : { name, after: shown(value) };
  });
}

const PAGES: Record<string, string> = {
  comparison: 'comparisons', comparisonset: 'comparison-sets', rewardmodel: 'reward-models', refreshcycle: 'refreshes', samplinground: 'sampling-rounds',
  bulkscoring: 'bulk-scorings',
};

/** The page of what was changed, below the project's; null where it has none. */
export function pageOf({ target, target_id, subject }: Pick<AuditEvent, 'target' | 'target_id' | 'subject'>): string | null {
  const folder = PAGES[target.replaceAll('_', '').toLowerCase()];
  if (folder && target_id) return `${folder}/${target_id}`;
  return subject ? `labellers/${subject.id}` : null;
}
