/** What the API answers, by the names of its OpenAPI schema. */

export type Capability = 'label' | 'review' | 'adjudicate' | 'guidelines' | 'import' | 'train' | 'manage';
export type Role = 'labeller' | 'reviewer' | 'researcher' | 'owner';

export interface ProjectBrief {
  slug: string;
  name: string;
  axis: string;
  is_demo: boolean;
  is_archived: boolean;
}

export interface Me {
  id: number;
  email: string;
  name: string;
  pseudonym: string;
  is_staff: boolean;
  can_create_projects: boolean;
  mfa_enabled: boolean;
  memberships: { project: ProjectBrief; role: Role; capabilities: Capability[] }[];
}

export interface Project extends ProjectBrief {
  description: string;
  intensity_labels: string[];
  ties_allowed: boolean;
  min_ratings: number;
  max_ratings: number;
  /** So many completions are ranked at once; null where pairs are rated. */
  ranking_size: number | null;
  stop_confidence: number;
  disagreement_limit: number;
  lease_minutes: number;
  grace_minutes: number;
  is_length_shown: boolean;
  is_gold_shown: boolean;
  justification_min_length: number;
  /** Empty where the project asks no second question. */
  bucket_axis: string;
  bucket_labels: string[];
  /** Null for those who only label, as are the next three. */
  gold_rate: number;
  repeat_rate: number;
  gold_floor: number | null;
  gold_window: number;
  quiz_pass_share: number;
  sensitive_tags: string[];
  sensitive_per_day: number | null;
  /** Per hour of active time; null where none is set. Those who only label do not see it. */
  pay_per_hour: string | null;
  currency: string;
  pool: { id: number; name: string };
  role: Role;
  capabilities: Capability[];
  created_at: string;
}

export interface Stat {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
  too_few: boolean;
}

export interface Overview {
  computed_at: string | null;
  is_stale: boolean;
  counts: {
    prompts: number;
    completions: number;
    comparisons: number;
    comparisons_open: number;
    comparisons_complete: number;
    ratings: number;
    labellers: number;
  };
  ratings_per_day: { date: string; n: number }[];
  next_steps: { code: string; label: string; href: string }[];
  /** Null for those who only label, as are the next two; cost also where no pay is set. */
  forecast: Forecast | null;
  cost: Cost | null;
  agreement: { alpha_nominal: Stat; disagreement: Disagreement; n_worth: number } | null;
}

export interface Agreement {
  computed_at: string | null;
  is_stale: boolean;
  n_ratings: number;
  n_comparisons: number;
  n_multiply_rated: number;
  n_labellers: number;
  percent_agreement: Stat;
  alpha_nominal: Stat;
  alpha_ordinal: Stat;
  disagreement: Disagreement;
  fleiss_kappa: Stat;
  /** Members whose ratings these figures leave out. */
  excluded_labellers: number;
  over_time: AgreementWeek[];
  versions: VersionAgreement[];
  slices: Slice[];
  /** Projects over the same completions that the caller may review, this one first. */
  axes: AxisAgreement[];
  models: LabellerModels | null;
}

export type LabellerModel = 'graded' | 'dawid_skene' | 'mace';

/** Models of labellers by how they predict ratings that they have not seen, the best first. */
export interface LabellerModels {
  chosen: LabellerModel;
  n_ratings: number;
  /** 0: too few to compare. */
  n_held_out: number;
  rows: { model: LabellerModel | 'vote_shares'; log_likelihood: number; accuracy: number }[];
}

export interface Member {
  id: number;
  user: { id: number; name: string; email: string | null; pseudonym: string; kind: string };
  role: Role;
  is_active: boolean;
  paused_at: string | null;
  pause_reason: string;
  /** When their ratings were taken out of what is computed and exported. */
  excluded_at: string | null;
  exclusion_reason: string;
  reliability: number | null;
  joined_at: string;
}

export interface Invitation {
  id: number;
  email: string;
  role: Role;
  state: 'pending' | 'accepted' | 'revoked' | 'expired';
  url: string | null;
  created_at: string;
  expires_at: string;
}

export interface PublicInvitation {
  project_name: string;
  role: Role;
  email: string;
  inviter: string;
  needs_account: boolean;
}

export interface ApiToken {
  id: number;
  name: string;
  prefix: string;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
  token?: string;
}

export type StoredSide = 'a' | 'b' | 'tie';

export interface WorkedExample {
  prompt: string;
  completion_a: string;
  completion_b: string;
  preferred: StoredSide;
  intensity: number | null;
  rationale: string;
  in_quiz: boolean;
  /** The comparison it was made from, where it was made from one. */
  comparison?: number | null;
}

export interface GuidelineVersion {
  number: number;
  body: string;
  change_note: string;
  changes_meaning: boolean;
  author: string;
  published_at: string;
  examples: WorkedExample[];
}

export type Standing = 'ok' | 'must_read' | 'must_pass' | 'failed';

/** A worked example as the quiz asks it: `completion_a` is the one that stands first in this attempt. */
export interface QuizQuestion {
  id: number;
  prompt: string;
  completion_a: string;
  completion_b: string;
}

/** Where a labeller stands, and the quiz of their next attempt. */
export interface Qualification {
  standing: Standing;
  /** Null where the project has no guidelines. */
  version: number | null;
  passed_version: number | null;
  attempt: number;
  n_attempts_left: number;
  pass_share: number;
  n_needed: number;
  quiz: QuizQuestion[];
}

export interface QuizAnswer {
  example: number;
  preferred: ShownSide;
  intensity: number | null;
}

export interface QuizResult {
  passed: boolean;
  n_right: number;
  n_questions: number;
  n_attempts_left: number;
  /** The guidelines' verdicts, as they were on the screen. */
  answers: { example: number; is_right: boolean; preferred: ShownSide; intensity: number | null; rationale: string }[];
}

/** Somebody's attempt at a quiz, as reviewers see it. */
export interface QuizAttempt {
  id: number;
  labeller: { id: number; pseudonym: string };
  version: number;
  n_questions: number;
  n_right: number;
  passed: boolean;
  forgiven: boolean;
  /** Its labeller has no attempt left. */
  is_blocking: boolean;
  /** When a reviewer took it back. */
  revoked_at: string | null;
  created_at: string;
}

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface Job {
  id: string;
  kind: string;
  title: string;
  state: JobState;
  progress: { done: number; total: number | null; unit: string; message: string; fraction: number | null };
  attempt: number;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  error: { code: string; message: string } | null;
  result: Record<string, unknown>;
  is_cancelling: boolean;
  can_cancel: boolean;
  can_retry: boolean;
}

export interface JobLogLine {
  seq: number;
  at: string;
  level: string;
  message: string;
}

export interface Message {
  role: string;
  content: string;
}

export interface ImportRun {
  id: number;
  filename: string;
  format: string;
  job: Job;
  counts: Record<string, number>;
  errors: { line: number; field: string; reason: string }[];
  created_at: string;
}

export interface PromptRow {
  id: number;
  messages: Message[];
  language: string;
  tags: string[];
  n_completions: number;
  created_at: string;
}

export interface Source {
  name: string;
  kind: string;
}

export interface PromptDetail extends PromptRow {
  completions: { id: number; text: string; source: Source; created_at: string }[];
}

export interface Assignment {
  id: number;
  prompt: { messages: Message[] };
  first: { text: string };
  second: { text: string };
  /** Sensitive categories of the prompt: shown only after a warning. */
  warnings: string[];
  lease_until: string;
}

export interface LabellerProgress {
  rated_today: number;
  rated_total: number;
  available: number;
  available_is_capped: boolean;
  /** Own answers to pairs with a known one; null where the project does not show it. */
  gold: { n: number; n_right: number } | null;
}

/** Why a labeller is given no work. */
export interface Block {
  code: 'paused' | 'must_read' | 'must_pass' | 'failed';
  detail: string;
}

export interface NextAnswer {
  assignments: Assignment[];
  progress: LabellerProgress;
  guideline_version: number | null;
  block: Block | null;
}

export type ShownSide = 'first' | 'second' | 'tie';

/** A passage of one completion as it is shown: offsets in characters of its text. */
export interface Span {
  side: 'first' | 'second';
  start: number;
  end: number;
  quote: string;
}

export interface Judgement {
  client_id: string;
  assignment_id: number;
  preferred: ShownSide;
  intensity: number | null;
  is_neither_acceptable?: boolean;
  bucket?: number | null;
  active_ms: number;
  justification: string;
  spans?: Span[];
  /** The client_id of the own rating that this one corrects. */
  supersedes?: string | null;
}

export interface OwnRating {
  id: number;
  client_id: string;
  assignment_id: number;
  prompt_excerpt: string;
  preferred: ShownSide;
  intensity: number | null;
  is_neither_acceptable: boolean;
  bucket: number | null;
  justification: string;
  spans: Span[];
  can_correct: boolean;
  created_at: string;
}

export interface OwnAssignment extends Assignment {
  rating: OwnRating;
}

/** What became of an answer that was sent. */
export interface Settled {
  client_id: string;
  status: 'accepted' | 'duplicate' | 'rejected';
  code: string;
  detail: string;
}

export interface Outcome extends Settled {
  rating_id: number | null;
}

export interface SubmittedAnswer extends NextAnswer {
  results: Outcome[];
}

export interface RankingAssignment {
  id: number;
  prompt: { messages: Message[] };
  /** In the order drawn for this labeller. */
  completions: { text: string }[];
  /** Sensitive categories of the prompt: shown only after a warning. */
  warnings: string[];
  lease_until: string;
}

export interface RankingProgress {
  ranked_today: number;
  ranked_total: number;
  available: number;
  available_is_capped: boolean;
}

export interface NextRankings {
  assignments: RankingAssignment[];
  progress: RankingProgress;
  guideline_version: number | null;
  block: Block | null;
}

/** Positions on the screen from 0, best first; those in one list share a place. */
export type Tiers = number[][];

export interface RankingOrder {
  client_id: string;
  assignment_id: number;
  tiers: Tiers;
  active_ms: number;
  justification: string;
}

export interface SubmittedRankings extends NextRankings {
  results: (Settled & { answer_id: number | null })[];
}

export interface OwnRanking {
  id: number;
  assignment_id: number;
  prompt_excerpt: string;
  tiers: Tiers;
  justification: string;
  created_at: string;
}

export interface ComparisonRow {
  id: number;
  prompt_excerpt: string;
  state: 'open' | 'complete' | 'adjudicated' | 'closed';
  priority: number;
  n_wanted: number;
  n_ratings: number;
  n_a: number;
  n_b: number;
  n_ties: number;
  n_flags: number;
  disagreement: number | null;
  is_gold: boolean;
  warnings: string[];
  created_at: string;
}

export interface ComparisonDetail extends ComparisonRow {
  /** As many ratings as a reviewer has asked for; null where the project's rules decide. */
  n_required: number | null;
  prompt: { messages: Message[] };
  a: { id: number; text: string; source: Source };
  b: { id: number; text: string; source: Source };
  gold_preferred: StoredSide | null;
  gold_intensity: number | null;
  ratings: {
    id: number;
    labeller: { pseudonym: string };
    preferred: StoredSide;
    intensity: number | null;
    justification: string;
    spans: { side: 'a' | 'b'; start: number; end: number; quote: string }[];
    active_ms: number | null;
    guideline_version: number | null;
    origin: string;
    first: 'a' | 'b' | null;
    is_superseded: boolean;
    is_repeat: boolean;
    is_neither_acceptable: boolean;
    bucket: number | null;
    created_at: string;
  }[];
  flags: {
    id: number;
    labeller: { pseudonym: string };
    kind: string;
    note: string;
    created_at: string;
    resolved_at: string | null;
  }[];
  adjudication: {
    id: number;
    reviewer: string;
    verdict: Verdict;
    intensity: number | null;
    note: string;
    /** The heading of the guidelines that decides it; empty where none was named. */
    guideline_section: string;
    guideline_version: number | null;
    created_at: string;
  } | null;
}

export interface Spec {
  min_ratings?: number;
  min_agreement?: number;
  ties?: 'drop' | 'soft';
  intensity_weighting?: 'scaled_bt' | 'none';
  include_adjudicated?: boolean;
  max_comparisons?: number | null;
}

export interface BucketCount {
  bucket: string;
  n: number;
}

export interface SetPreview {
  comparisons: number;
  prompts: number;
  ratings: number;
  train: number;
  validation: number;
  test: number;
  left_out: Record<string, number>;
  unrated: number;
  by_agreement: BucketCount[];
  by_intensity: BucketCount[];
  by_source_kind: BucketCount[];
  by_language: BucketCount[];
  by_batch: BucketCount[];
  /** Below the least agreement, and kept as hard ones. */
  hard: number;
  disagreement: { share: number | null; n: number; limit: number; is_above: boolean };
  /** Rows of AI ratings, on top of all other counts. */
  ai: { comparisons: number; offered: number; share: number };
  warnings: { code: string; message: string }[];
}

/** What a spec can choose from in a project. */
export interface SetChoices {
  guideline_versions: { number: number; n_ratings: number }[];
  languages: { value: string; n: number }[];
  tags: { value: string; n: number }[];
  sources: { id: number; name: string; kind: string; n: number }[];
  labellers: { id: number; name: string; is_excluded: boolean; n_ratings: number }[];
  n_intensities: number;
  intensity_labels: string[];
  ties_allowed: boolean;
  disagreement_limit: number;
  n_clusters: number;
}

/** A row of a comparison set, to be read. */
export interface SetRow {
  comparison_id: number;
  prompt: Message[];
  chosen: Message[];
  rejected: Message[];
  margin: number | null;
  weight: number | null;
  soft_preference: number | null;
  intensity: number | null;
  agreement: number | null;
  n_ratings: number;
  is_hard: boolean;
  chosen_source: string;
  rejected_source: string;
  language: string;
  tags: string[];
  /** Who said which is better. */
  origin: 'human' | 'ai';
}

/** How far the judging of a set's labels is, and the verdicts it doubts most. */
export interface SetNoise {
  state: string;
  job: Job | null;
  summary: Record<string, unknown> | null;
  suspicious: { comparison_id: number; p_chosen: number; strength: number; std: number | null }[];
  finished_at: string | null;
}

export interface SetCounts {
  comparisons: number;
  train: number;
  validation: number;
  test: number;
  prompts: number;
  ratings: number;
  ties: number;
  labellers: number;
  guideline_versions: number[];
}

export interface ComparisonSet {
  id: number;
  number: number;
  name: string;
  spec: Spec;
  /** Empty until the files are written. */
  counts: Partial<SetCounts>;
  digest: string;
  uri: string;
  frozen_at: string | null;
  created_at: string;
  job: Job | null;
}

export interface RewardModelMetrics {
  accuracy: Stat;
  baselines: { longer: Stat; always_a: Stat };
  n_test: number;
}

export interface RewardModel {
  id: number;
  version: number;
  state: 'training' | 'candidate' | 'promoted' | 'retired' | 'failed';
  state_reason: string;
  metrics: RewardModelMetrics;
  base_model: string;
  n_members: number;
  comparison_set: { id: number; number: number };
  promoted_at: string | null;
  created_at: string;
  /** Why the rules would not promote it now; empty: they would. */
  blocks: PromotionBlock[];
  /** 1 for the latest that was promoted, 2 for the one before it; null: never. */
  promotion_rank: number | null;
}

export interface PromotionBlock {
  code: string;
  message: string;
}

export interface PromotionRules {
  /** Null: any. */
  max_length_correlation: number | null;
  /** Null: none asked for. */
  min_advantage: number | null;
  must_beat_promoted: boolean;
  min_batch_comparisons: number;
}

export interface Promotion {
  promoted_at: string;
  reason: string;
  is_forced: boolean;
  is_roll_back: boolean;
  blocks: PromotionBlock[];
  /** Version that was in use before. */
  replaced: number | null;
  /** Null: the rules promoted. */
  actor: string | null;
}

export interface ExternalEvaluation {
  id: number;
  name: string;
  filename: string;
  created_at: string;
  job: Job | null;
  /** Null until the job has ended. */
  report: Record<string, unknown> | null;
}

export interface BulkScoring {
  id: number;
  name: string;
  reward_model: ModelBrief;
  rows_per_shard: number;
  max_bad_share: number;
  /** Empty until all rows are done. */
  counts: Partial<Record<'rows' | 'scored' | 'rejected' | 'completions' | 'truncated', number>>;
  output_url: string;
  created_at: string;
  job: Job | null;
}

export interface BulkScoringDetail extends BulkScoring {
  /** The first shards, once all rows are done. */
  files: { path: string; rows: number; bytes: number; sha256: string }[];
  n_files: number;
}

export interface BulkChoices {
  /** A URL has to lie below one of them. */
  roots: string[];
  max_bytes: number;
  rows_per_shard: number;
  max_bad_share: number;
}

export interface ModelBrief {
  id: number;
  version: number;
  state: RewardModel['state'];
}

export interface DriftReport {
  id: number;
  number: number;
  reward_model: ModelBrief;
  generation: { id: number; number: number } | null;
  /** Empty until the job has ended. */
  verdict: '' | 'too_few' | 'none' | 'some' | 'strong';
  created_at: string;
  finished_at: string | null;
  job: Job | null;
}

export interface DriftMeasure {
  name: string;
  value: number;
  low: number | null;
  high: number | null;
  p_value: number | null;
  /** Null where the measure has no say in the verdict. */
  p_adjusted: number | null;
  expected: number | null;
  n_training: number;
  n_policy: number;
  level: 'none' | 'some' | 'strong' | null;
  sentence: string;
}

export interface DriftBins {
  edges: number[];
  training: number[];
  policy: number[];
}

export interface DriftSlice {
  kind: string;
  value: string;
  n_training: number;
  n_policy: number;
  auc: number;
  low: number;
  high: number;
  p_adjusted: number;
}

interface DriftSide {
  completions: number;
  prompts: number;
  used: number;
}

export interface DriftResult {
  sentence: string;
  rule: string;
  compared: {
    comparison_set: number;
    what: 'generation' | 'current_policy' | 'newest';
    generation: number | null;
    n: number;
    sources: { name: string; n: number }[];
  };
  n: { training: DriftSide; policy: DriftSide };
  measures: DriftMeasure[];
  lengths: DriftBins | null;
  rewards: DriftBins | null;
  slices: DriftSlice[];
  most_moved: DriftSlice | null;
  origin: {
    known_share: number | null;
    prompts: DriftMeasure | null;
    prompt_lengths: DriftMeasure | null;
    completions: DriftMeasure | null;
    sentence: string;
  } | null;
}

export interface DriftReportDetail extends DriftReport {
  /** Null until the job has ended. */
  report: DriftResult | null;
}

export interface ModelComparison {
  id: number;
  a: ModelBrief;
  b: ModelBrief;
  comparison_set: { id: number; number: number };
  created_at: string;
  job: Job | null;
}

export interface ModelComparisonDetail extends ModelComparison {
  /** Null until the job has ended. */
  report: Record<string, unknown> | null;
}

export interface LineageLabeller {
  /** Null where the account is gone. */
  id: number | null;
  name: string;
  n_ratings: number;
}

export interface Lineage {
  comparison_set: { id: number; number: number; digest: string; spec: Spec };
  n_comparisons: number;
  n_ratings: number;
  n_labellers: number;
  labellers: LineageLabeller[];
  guideline_versions: number[];
  guidelines: { number: number; n_comparisons: number }[];
  base_models: { name: string; kind: string; metrics: Record<string, unknown> }[];
  refresh: { id: number; number: number } | null;
  sampling_rounds: { id: number; number: number }[];
  policies: { id: number; name: string; created_at: string }[];
}

export interface RewardModelDetail extends RewardModel {
  artifact_uri: string;
  report: Record<string, unknown>;
  config: Record<string, unknown>;
  lineage: Lineage;
  job: Job | null;
  /** Each time that it was put into use, the latest first. */
  promotions: Promotion[];
  external: ExternalEvaluation[];
}

export type StageState = 'pending' | 'running' | 'waiting' | 'succeeded' | 'skipped' | 'failed';
export type RefreshState = 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled';

export interface LabellingOptions {
  /** Above 0, to 1. */
  target_share: number;
  max_days: number | null;
}

/** What a refresh is started with. Parts that are left out have the server's defaults. */
export interface RefreshConfig {
  ask?: boolean;
  candidates?: GenerationOptions | null;
  sampling?: Partial<SamplingOptions>;
  labelling?: Partial<LabellingOptions>;
  spec?: Spec;
  base_model?: string;
  training?: Record<string, unknown>;
  promotion?: 'rule' | 'hand';
}

export interface RefreshStage {
  name: string;
  state: StageState;
  started_at: string | null;
  finished_at: string | null;
  summary: string;
  can_edit: boolean;
  can_skip: boolean;
  can_restore: boolean;
}

/** How far the labelling of a refresh is; days are counted from today. */
export interface RefreshLabelling {
  n_asked: number;
  n_labelled: number;
  n_target: number;
  ratings_missing: number;
  per_day: number;
  days: number | null;
  earliest: number | null;
  latest: number | null;
  is_met: boolean;
}

export interface RefreshCycle {
  id: number;
  number: number;
  name: string;
  state: RefreshState;
  trigger: 'hand' | 'drift' | 'ratings' | 'schedule';
  trigger_reason: string;
  config: RefreshConfig;
  stages: RefreshStage[];
  /** The latest one. */
  job: Job;
  drift_report: { id: number; number: number; verdict: DriftReport['verdict'] } | null;
  generation: { id: number; number: number; counts: Partial<Generation['counts']> } | null;
  sampling_round: { id: number; number: number } | null;
  comparison_set: { id: number; number: number } | null;
  reward_model: RewardModel | null;
  /** Null until a round is drawn, and in lists. */
  labelling: RefreshLabelling | null;
  can_cancel: boolean;
  can_retry: boolean;
  created_at: string;
  finished_at: string | null;
}

export interface RefreshPreview {
  /** `skipped`: why a stage would be; `seconds`: what it took lately, null where it never ran. */
  stages: { name: string; skipped: string | null; seconds: number | null }[];
  seconds: number | null;
  candidates: GenerationEstimate | null;
  labels: {
    n_pairs: number;
    is_estimate: boolean;
    n_chosen: number;
    n_random: number;
    n_labels: number;
    ratings_each: number;
    hours: number | null;
    cost: string | null;
    currency: string;
    days: number | null;
  } | null;
}

export interface RefreshSchedule {
  is_enabled: boolean;
  on_drift: boolean;
  new_ratings: number | null;
  every_days: number | null;
  config: RefreshConfig;
  /** New ratings since the last refresh began. */
  ratings_since: number;
  /** By `every_days`. */
  next_at: string | null;
  /** Why one is due now. */
  due: string | null;
  last_reason: string;
  checked_at: string | null;
}

export interface SamplingOptions {
  acquisition: string;
  prompt_rule: string;
  diversity: string;
  budget: number;
  random_share: number;
  n_clusters: number;
  max_cluster_share: number;
  max_per_prompt: number;
  seed: number;
}

export interface SamplingRound {
  id: number;
  number: number;
  acquisition: string;
  budget: number;
  random_share: number;
  seed: number;
  options: SamplingOptions;
  n_candidates: number;
  /** Completions among the candidates by the kind of their source. */
  mix: Record<string, number>;
  n_chosen: number;
  n_rated: number;
  n_withdrawn: number;
  reward_model: { id: number; version: number };
  generation: { id: number; number: number } | null;
  job: Job | null;
  created_at: string;
  finished_at: string | null;
  withdrawn_at: string | null;
  /** Of the round's model against the ratings, in both parts. */
  accuracy: { chosen: Stat; random: Stat };
}

/** What a round does for a cluster of like prompts; `rest` sums the smallest ones. */
export interface Coverage {
  cluster: number;
  n_prompts: number;
  before: number;
  after: number;
  chosen: number;
  example?: number;
}

export interface SamplingRoundDetail extends SamplingRound {
  report: Record<string, unknown> & { coverage?: Coverage[]; coverage_rest?: Coverage | null };
  examples: Record<string, string>;
}

export interface SampledComparison {
  comparison_id: number;
  rank: number;
  is_random: boolean;
  terms: Record<string, number | string | null>;
  cluster: number | null;
  is_withdrawn: boolean;
  prompt_excerpt: string;
  state: string;
  n_ratings: number;
}

export interface SamplingArm {
  n: number;
  n_rated: number;
  n_labels: number;
  accuracy: Stat;
  agreement: Stat;
}

export interface SamplingOutcome {
  arms: { chosen: SamplingArm; random: SamplingArm };
  /** Null where there is too little to say. */
  is_harder: boolean | null;
  n_labels: number;
  later_models: {
    reward_model: { id: number; version: number };
    before: Stat;
    after: Stat;
    n_better: number;
    n_worse: number;
  }[];
}

export interface SamplingChoices {
  reward_models: { id: number; version: number; state: RewardModel['state'] }[];
  generations: { id: number; number: number; finished_at: string }[];
}

export interface SamplingPreview {
  n_prompts: number;
  n_pairs: number;
  is_estimate: boolean;
  n_waiting: number;
  n_chosen: number;
  n_random: number;
  ratings_each: number;
  n_labels: number;
  median_s: number | null;
  hours: number | null;
  cost: string | null;
  currency: string;
}

export interface PlaygroundModel {
  id: number;
  /** The slug of its project, by which the scorer knows it. */
  name: string;
  project: string;
  axis: string;
  version: number;
  n_members: number;
}

export interface Playground {
  models: PlaygroundModel[];
  max_completions: number;
  max_chars: number;
  max_sentences: number;
}

/** What one model says of the completions, in their order; null where it could not answer or has no such figure. */
export interface PlaygroundRewards {
  model: PlaygroundModel;
  version: number;
  rewards: number[] | null;
  /** For each completion the rewards by the members. */
  members: number[][] | null;
  uncertainty: number[] | null;
  calibrated: number[] | null;
  n_tokens: number[] | null;
  truncated: boolean[] | null;
  error: { code: string; message: string } | null;
}

export interface Sentence {
  text: string;
  /** Reward without it, less that of the whole; null where there is no other sentence. */
  change: number | null;
}

export interface PlaygroundAnswer {
  models: PlaygroundRewards[];
  explanation: { name: string; version: number; completions: { sentences: Sentence[] }[] } | null;
}

// --- agreement ---

/** How the ratings of the comparisons agree; `rate` is over pairs of ratings. */
export interface Disagreement {
  rate: number | null;
  limit: number;
  is_above: boolean;
  unanimous: number;
  majority: number;
  split: number;
}

/** When the work is done at the pace of the last 14 days; the dates are null without one, or where they are years away. */
export interface Forecast {
  n_remaining: number;
  n_remaining_comparisons: number;
  per_day: number;
  done_on: string | null;
  done_earliest: string | null;
  done_latest: string | null;
}

/** Amounts with two decimals, as text. */
export interface Cost {
  currency: string;
  pay_per_hour: string;
  spent: string;
  remaining: string | null;
  per_comparison: string | null;
  spent_hours: number;
  remaining_hours: number | null;
  /** Share of ratings whose time is not known and taken to be the others' mean. */
  is_estimated: number;
}

export interface AgreementWeek {
  /** Its Monday. */
  week: string;
  n_ratings: number;
  alpha: Stat;
  disagreement: Stat;
}

export interface VersionChange {
  previous: number;
  /** Of the disagreement: this version less the previous one. */
  difference: Stat;
  verdict: 'lower' | 'higher' | 'unclear' | 'too_few';
}

export interface VersionAgreement {
  number: number;
  published_at: string | null;
  change_note: string;
  changes_meaning: boolean;
  n_ratings: number;
  alpha: Stat;
  disagreement: Stat;
  change: VersionChange | null;
}

export type Dimension = 'source' | 'language' | 'tag' | 'length' | 'intensity' | 'bucket';

export interface AxisAgreement {
  slug: string;
  axis: string;
  name: string;
  n_ratings: number;
  alpha_nominal: Stat;
  disagreement: Disagreement;
}

export interface Slice {
  dimension: Dimension;
  key: string;
  label: string;
  n_comparisons: number;
  n_ratings: number;
  disagreement: Stat;
  alpha: Stat;
  /** Its part of all pairs of ratings that differ. */
  share: number | null;
  /** How much of the overall disagreement would go if it were as the rest is. */
  excess: number | null;
}

/** κ of every two labellers, in the order of `labellers`; null where they share too few comparisons. */
export interface Pairs {
  labellers: { id: number; pseudonym: string; n_ratings: number }[];
  kappa: (number | null)[][];
  low: (number | null)[][];
  high: (number | null)[][];
  n: number[][];
  weighted: (number | null)[][];
}

export type FindingCode =
  | 'position_bias'
  | 'length_taste'
  | 'near_chance'
  | 'too_fast'
  | 'changed'
  | 'inconsistent'
  | 'misses_gold';

export interface Finding {
  code: FindingCode;
  value: Stat;
  p_value: number;
  version: number | null;
}

export interface LabellerRow {
  /** Of the user; `membership` is null for those who left or were imported. */
  id: number;
  membership: number | null;
  pseudonym: string;
  kind: string;
  /** Null for those who may neither manage members nor adjudicate. */
  name: string | null;
  n_ratings: number;
  reliability: Stat;
  with_others: Stat;
  gold: Stat;
  self_agreement: Stat;
  first_side: Stat;
  longer: Stat;
  longer_excess: Stat;
  too_fast: Stat;
  drift: Stat;
  median_active_ms: number | null;
  findings: Finding[];
  paused_at: string | null;
  pause_reason: string;
  excluded_at: string | null;
  exclusion_reason: string;
  is_active: boolean;
}

export interface LabellerDetail extends LabellerRow {
  weeks: { week: string; n_ratings: number; active_ms: number; with_others: Stat; gold: Stat }[];
  versions: { version: number; n_ratings: number; with_others: Stat }[];
  qualifications: {
    version: number;
    passed: boolean;
    n_right: number;
    n_questions: number;
    revoked_at: string | null;
    created_at: string;
  }[];
  messages: LabellerMessage[];
}

/** What a reviewer wrote to a labeller. */
export interface LabellerMessage {
  id: number;
  text: string;
  sender: string;
  created_at: string;
  read_at: string | null;
}

/** What the ratings of a comparison say together, each weighed by its labeller's reliability. */
export interface Answer {
  p_a: number;
  p_b: number;
  p_tie: number;
  /** Above 0 for a, below 0 for b. */
  expected_intensity: number;
}

export interface LabellerDissent {
  comparison: number;
  prompt_excerpt: string;
  rating: { preferred: StoredSide; intensity: number | null; justification: string; created_at: string };
  answer: Answer;
}

export type AgreementLevel = 'unanimous' | 'majority' | 'split';

export interface RatingRow {
  id: number;
  comparison: number;
  prompt_excerpt: string;
  labeller: { id: number; pseudonym: string };
  preferred: StoredSide;
  intensity: number | null;
  is_superseded: boolean;
  is_repeat: boolean;
  justification: string;
  active_ms: number | null;
  guideline_version: number | null;
  created_at: string;
  /** Null where the comparison has one rating only. */
  agreement: AgreementLevel | null;
}

// --- reviewing ---

/** What the promoted reward model says: the chance that A is preferred. */
export interface ModelOpinion {
  version: number;
  p_a: number;
  /** Whether the comparison was held out of its training. */
  is_held_out: boolean;
}

/** What reward models say that were trained without the comparison. */
export interface CrossFittedOpinion {
  /** Number of the comparison set on which they were trained. */
  comparison_set: number;
  p_a: number;
  /** Mean reward of A minus that of B. */
  strength: number;
  std: number | null;
  /** 1 for the most suspicious label of the set; null: no suspicion. */
  rank: number | null;
}

export type WorthReason = 'flagged' | 'split' | 'probably_mislabelled' | 'model_against' | 'judge_against' | 'model_sure' | 'model_unsure';

/** Why a comparison is worth a reviewer's time. */
export interface ComparisonAnswer {
  answer: Answer | null;
  model: ModelOpinion | null;
  cross_fitted: CrossFittedOpinion | null;
  worth: number | null;
  reasons: WorthReason[];
}

export interface DisagreementRow {
  comparison: number;
  prompt_excerpt: string;
  n_a: number;
  n_b: number;
  n_ties: number;
  n_flags: number;
  worth: number;
  reasons: WorthReason[];
  answer: Answer | null;
  model: ModelOpinion | null;
  cross_fitted: CrossFittedOpinion | null;
}

export type Verdict = StoredSide | 'invalid';

/** What a reviewer noted for the next version of the guidelines while settling a comparison. */
export interface DraftNote {
  comparison: number | null;
  section: string;
  text: string;
  by: string;
  at: string;
}

/** The next version of the guidelines while it is being written, shared by all who write it. */
export interface GuidelineDraft {
  body: string;
  change_note: string;
  changes_meaning: boolean;
  examples: WorkedExample[];
  notes: DraftNote[];
  /** Number of the version it began from; 0 for none. */
  based_on: number;
  revision: number;
  updated_by: string;
  updated_at: string;
}

export interface SectionDisagreement {
  /** Empty for what stands before the first heading. */
  heading: string;
  n_adjudications: number;
  n_flags: number;
  n_disputed: number;
  comparisons: number[];
}

export interface ExampleDisagreement {
  id: number;
  position: number;
  prompt: string;
  n_answers: number;
  share_wrong: Stat;
  /** The commonest wrong answer. */
  mostly: { preferred: StoredSide; n: number } | null;
  comparison: number | null;
}

export interface GuidelinesDisagreement {
  version: number | null;
  sections: SectionDisagreement[];
  examples: ExampleDisagreement[];
}

export interface AuditEvent {
  id: number;
  created_at: string;
  /** Null where a rule of the project acted by itself. */
  actor: { id: number; pseudonym: string; name: string | null } | null;
  action: string;
  target: string;
  target_id: string;
  subject: { id: number; pseudonym: string } | null;
  summary: string;
  details: Record<string, unknown>;
}

export type SourceKind = 'sft' | 'early_policy' | 'current_policy' | 'adversarial' | 'random' | 'human' | 'external';

/** Some completions of every prompt, from one source. */
export interface MixRow {
  /** "builtin", "checkpoint:<id>", "path:/…", "endpoint:<name>" or "pool". */
  source: string;
  /** Empty: as the source is. */
  kind: SourceKind | '';
  n: number;
  temperature: number;
  top_p: number;
  system: string;
  best_of: number;
  by: 'reward' | 'disagreement';
}

export interface GenerationOptions {
  mix: MixRow[];
  n_prompts: number;
  order: 'least_covered' | 'random';
  tags: string[];
  languages: string[];
  origins?: string[];
  clusters?: number[];
  is_unlabelled_only: boolean;
  max_new_tokens: number;
  max_prompt_tokens: number;
  near_duplicate: number;
  reward_model: number | null;
  seed: number;
}

export interface SourceCounts {
  kind: SourceKind;
  written: number;
  already_there: number;
  n_tokens: number;
  dropped: Record<string, number>;
}

export interface Generation {
  id: number;
  number: number;
  options: GenerationOptions;
  counts: {
    prompts: number;
    asked: number;
    written: number;
    already_there: number;
    n_tokens: number;
    dropped: Record<string, number>;
    by_source: Record<string, SourceCounts>;
  };
  job: Job | null;
  created_at: string;
  finished_at: string | null;
}

export interface GenerationDetail extends Generation {
  sample: {
    id: number;
    prompt_id: number;
    prompt_excerpt: string;
    source_name: string;
    kind: SourceKind;
    text: string;
    n_tokens: number | null;
  }[];
}

export interface GenerationChoices {
  checkpoints: { id: number; name: string; kind: 'base' | 'sft' | 'policy' }[];
  /** Those the operator allows. */
  endpoints: { name: string; model: string }[];
  reward_models: ModelBrief[];
  mix: MixRow[];
  adversarial_system: string;
}

export interface GenerationEstimate {
  n_available: number;
  n_prompts: number;
  n_completions: number;
  n_sampled: number;
  prompt_tokens: number;
  max_new_tokens: number;
}

// --- AI labellers ---

export interface Principle {
  id: number;
  text: string;
  axis: string;
  /** How often it is drawn and how much it counts, beside the others. */
  weight: number;
}

export interface ConstitutionVersion {
  id: number;
  number: number;
  note: string;
  /** Null for the draft. */
  published_at: string | null;
  created_at: string;
  principles: Principle[];
}

export interface Constitution {
  id: number;
  name: string;
  created_at: string;
  /** Newest first. */
  versions: ConstitutionVersion[];
}

export interface JudgeBrief {
  id: number;
  /** "endpoint:…" or "path:…". */
  name: string;
  model: string;
  chain_of_thought: boolean;
  version: { id: number; number: number; name: string };
  allowed_at: string | null;
}

/** How an AI labeller's ratings compare with people's. */
export interface JudgeReport {
  n: number;
  n_undecided: number;
  kappa: Stat;
  agreement: Stat;
  people_kappa: Stat | null;
  calibration: { low: number; high: number; n: number; confidence: number | null; agrees: number | null }[];
  brier: number | null;
  position: { n: number; bias: number | null; flips: number | null };
  length: { judge: Stat; people: Stat };
  slices: { by: string; name: string; n: number; kappa: Stat; agreement: Stat }[];
  disagreements: { comparison_id: number; p_a: number; side: 'a' | 'b'; share: number; n_ratings: number }[];
}

export interface Judge extends JudgeBrief {
  n_ratings: number;
  reported_at: string | null;
  /** The latest job that made the report anew on request. */
  report_job: Job | null;
  report: JudgeReport | Record<string, never>;
  /** Why it may not count; empty where it may. */
  reasons: string[];
}

export interface AiRating {
  id: number;
  principle: Principle;
  /** P(A preferred): the mean of both orders. */
  p_a: number;
  p_first_order: number | null;
  p_second_order: number | null;
  has_probabilities: boolean;
  /** The chain of thought, or "". */
  rationale: string;
  created_at: string;
}

/** What one judge says of a comparison; `p_a` over its principles by their weights. */
export interface JudgedComparison {
  judge: JudgeBrief;
  p_a: number;
  ratings: AiRating[];
}

export type JudgeScope = 'unrated' | 'rated';

export interface JudgeRun {
  id: number;
  number: number;
  judge: JudgeBrief;
  scope: JudgeScope;
  n_comparisons: number;
  n_principles: number;
  max_tokens: number | null;
  seed: number;
  counts: { n_asked?: number; n_judged?: number; n_unanswered?: number; n_tokens?: number; stopped_by?: string | null };
  finished_at: string | null;
  created_at: string;
  job: Job | null;
}

export interface JudgeEstimate {
  n_available: number;
  n_comparisons: number;
  n_judgements: number;
  n_questions: number;
  n_tokens: number;
}

export interface TimelineCell {
  /** Number of the sampling round that asked for them; 0: none did. */
  batch: number;
  /** 1 is the weakest; null: all, those of unknown intensity among them. */
  intensity: number | null;
  stat: Stat;
  /** To the model that was in use, on the same comparisons. */
  difference: Stat | null;
}

export interface TimelineModel {
  id: number;
  version: number;
  state: RewardModel['state'];
  accuracy: Stat;
  incumbent: { id: number; version: number; difference: Stat | null } | null;
  levels: { intensity: number; stat: Stat }[];
  batches: TimelineCell[];
}

export interface TimelineRefresh {
  id: number;
  number: number;
  name: string;
  state: RefreshCycle['state'];
  trigger: 'hand' | 'drift' | 'ratings' | 'schedule';
  started_at: string;
  finished_at: string | null;
  model: TimelineModel | null;
  agreement: { pairs: Stat | null; ceiling: Stat | null } | null;
  drift: {
    id: number;
    number: number;
    verdict: DriftReport['verdict'];
    measures: { name: 'classifier' | 'outliers'; value: number; low: number | null; high: number | null }[];
  } | null;
  round: {
    id: number;
    number: number;
    n_asked: number;
    n_labelled: number;
    n_labels: number;
    accuracy: { chosen: Stat; random: Stat };
    agreement: Stat;
  } | null;
  cost: { n_labels: number; n_untimed: number; hours: number | null; amount: string | null; currency: string } | null;
}

/** The latest refreshes, oldest first. */
export interface RefreshTimeline {
  refreshes: TimelineRefresh[];
  n_refreshes: number;
  batches: number[];
  n_batches: number;
}

/** Options of a policy run, by the names of its configuration. */
export interface PolicyRunOptions {
  /** "builtin", "checkpoint:ID" or "path:/…"; the reference is this model, frozen. */
  start: string;
  reward_model: number | null;
  /** Slug of another project, whose model in use is combined with it; '' for none. */
  combine_with: string;
  gold_model: number | null;
  algorithm: 'rloo' | 'grpo';
  reward: 'rewards' | 'calibrated';
  shaping: 'none' | 'centred' | 'sigmoid' | 'clip';
  ensemble: 'mean' | 'worst' | 'uncertainty';
  beta: number;
  /** 0: beta stays as it is. */
  kl_target: number;
  /** Nats; 0 for none. */
  kl_limit: number;
  n_iterations: number;
  /** Epsilon of the clipped objective, where n_iterations is above 1. */
  clip: number;
  /** Completions over which beta follows kl_target. */
  kl_horizon: number;
  /** Of the members' variance, where ensemble is "uncertainty". */
  uncertainty_weight: number;
  n_steps: number;
  prompts_per_step: number;
  completions_per_prompt: number;
  max_new_tokens: number;
  /** Longer prompts are left out. */
  max_prompt_tokens: number;
  temperature: number;
  learning_rate: number;
  /** 0: all weights. */
  lora_rank: number;
  evaluate_every: number;
  n_probe: number;
  human_kls: number[];
  n_human: number;
  /** False: the second judge and people only choose the best. */
  early_stop: boolean;
  /** Evaluations; 0: no such rule. */
  stop_patience: number;
  stop_confidence: number;
  /** In gold's unit; 0: no such rule. */
  stop_margin: number;
  seed: number;
}

export interface PolicyRunChoices {
  defaults: PolicyRunOptions;
  starts: { value: string; label: string }[];
  reward_models: { version: number; label: string; is_served: boolean; n_members: number }[];
  /** Projects whose model in use can be combined with it. */
  combinable: { value: string; label: string }[];
  n_prompts: number;
  n_probe: number;
  /** Why nothing can start; '' where it can. */
  problem: string;
}

export interface PolicyRunPreview {
  n_prompts: number;
  /** How often each prompt is drawn. */
  passes: number;
  n_completions: number;
  n_updates: number;
  n_probe: number;
  n_evaluations: number;
  n_probe_completions: number;
  /** Of all completions together, at most. */
  max_new_tokens: number;
  n_comparisons: number;
  n_ratings: number;
  /** By what earlier runs took; null before there is one. */
  seconds: number | null;
}

export interface SftOptions {
  /** builtin, checkpoint:<id>, a path on the worker or a hub id. */
  base_model: string;
  /** Number of the set whose chosen completions are learnt from; null: what people wrote. */
  comparison_set: number | null;
  epochs: number;
  learning_rate: number;
  max_length: number;
  rows_per_step: number;
  /** 0: all weights. */
  lora_rank: number;
  seed: number;
}

export interface SftCounts {
  n_examples: number;
  n_heldout: number;
  /** Of one pass, about. */
  n_tokens: number;
  /** By reason. */
  left_out: Record<string, number>;
  /** Rows beyond what a run reads. */
  n_unread: number;
}

export interface SftPreview extends SftCounts {
  n_long: number;
  n_updates: number;
  warnings: { code: string; message: string }[];
}

export interface SftChoices {
  defaults: SftOptions;
  base_models: { value: string; label: string }[];
  comparison_sets: { value: number; label: string }[];
}

/** Losses in nats per token of a completion. */
export interface SftReport {
  n_examples: number;
  n_truncated: number;
  n_steps: number;
  n_tokens: number;
  first_loss: number;
  last_loss: number;
  n_heldout?: number;
  heldout_before?: number;
  heldout_after?: number;
  precision: string;
  seconds: number;
}

export interface SftRun {
  number: number;
  state: JobState;
  options: SftOptions;
  base_name: string;
  counts: SftCounts;
  /** Null until it has ended. */
  report: SftReport | null;
  /** The model that came of it. */
  checkpoint: { id: number; name: string } | null;
  job: Job | null;
  created_at: string;
  created_by: string | null;
  finished_at: string | null;
}

/** The curve of Gao et al. (2022) through the gold gains, with 95 % intervals. */
export interface GaoFit {
  kind: 'best_of_n' | 'rl';
  alpha: number;
  beta: number;
  alpha_interval: [number, number] | null;
  beta_interval: [number, number] | null;
  peak_d: number | null;
  /** Its upper end is null where the data leave open that there is no peak. */
  peak_d_interval: [number, number | null] | null;
  peak_gold: number | null;
  r2: number | null;
  n: number;
}

export interface StopDecision {
  stop: boolean;
  reason: string;
  message: string;
  best_step: number | null;
}

export interface PolicyRun {
  number: number;
  state: JobState;
  options: PolicyRunOptions;
  start_label: string;
  reward_model: PolicyRunModel;
  combined_model: (PolicyRunModel & { project: string }) | null;
  gold_model: PolicyRunModel | null;
  /** The last evaluation in a few numbers. */
  latest: Pick<PolicyMetrics, 'kl' | 'd' | 'reward_gain' | 'gold_gain' | 'length'> & { step: number } | null;
  stop_reason: string;
  stop_message: string;
  /** The policy that is kept. */
  checkpoint: { id: number; name: string } | null;
  progress: Job['progress'] | null;
  job: Job | null;
  created_at: string;
  created_by: string | null;
  finished_at: string | null;
}

export interface PolicyRunModel {
  id: number;
  version: number;
  label: string;
}

export interface PolicyRunDetail extends PolicyRun {
  report: PolicyReport;
  /** What is possible now; whether one may is another matter. */
  can: { cancel: boolean; retry: boolean; ask_people: boolean; adversarial: boolean; keep: boolean };
  /** Policies that could still be kept and are no checkpoint. */
  spare: { n: number; n_bytes: number };
}

export interface PolicyReport {
  fit: GaoFit | null;
  /** What was fitted: gains by gold, or people's win rates less one half. */
  fit_of: '' | 'gold' | 'people' | null;
  /** By gold. */
  decision: StopDecision | null;
  people: StopDecision | null;
  /** The evaluation that is kept, 0 for the reference; null while the run goes on. */
  best_step: number | null;
  last_step: number | null;
}

/** Numbers of every update, at most 400 of them; the names of the columns come with the rows. */
export interface PolicySteps {
  columns: string[];
  rows: (number | null)[][];
}

/** How often people prefer the policy's completion to the reference's; a tie counts half. */
export interface WinRate {
  n_asked: number;
  /** Judged by now. */
  n: number;
  wins: number;
  losses: number;
  ties: number;
  rate: number | null;
  low: number | null;
  high: number | null;
  /** What the reward model says of the same pairs. */
  claimed: number;
}

export interface PolicyEvaluation {
  step: number;
  human_kl: number | null;
  n_comparisons: number;
  n_samples: number;
  /** Whether its policy can be kept once the run has ended. */
  has_model: boolean;
  metrics: PolicyMetrics;
  win_rate: WinRate | null;
}

export interface PolicyMetrics {
  n_prompts: number;
  kl: number;
  kl_se: number;
  kl_k1: number | null;
  kl_k3: number | null;
  kl_per_token: number | null;
  d: number;
  beta: number | null;
  entropy: number | null;
  reward: number | null;
  reward_gain: number | null;
  reward_gain_se: number | null;
  calibrated_gain: number | null;
  uncertainty: number | null;
  reference_uncertainty: number | null;
  beyond_range: number | null;
  reference_beyond_range: number | null;
  /** Null where the reward model cannot tell; missing in evaluations made before it could. */
  outlying?: number | null;
  reference_outlying?: number | null;
  gold: number | null;
  gold_gain: number | null;
  gold_gain_se: number | null;
  length: number | null;
  reference_length: number | null;
  cut_off: number | null;
  repetition: number | null;
  reference_repetition: number | null;
  distinct_1: number | null;
  reference_distinct_1: number | null;
  distinct_2: number | null;
  reference_distinct_2: number | null;
  exploits: ExploitReport | null;
}

/** What a feature of writing explains of a gain in reward, with 95 % intervals; no share where nothing is gained beyond chance. */
export interface Explained {
  contribution: number;
  interval: [number, number];
  share: number | null;
  share_interval: [number, number] | null;
}

export interface ExploitFeature {
  name: string;
  policy: number;
  reference: number;
  /** Completions that have any of it. */
  policy_share: number;
  reference_share: number;
  reward: Explained | null;
  calibrated: Explained | null;
  is_flagged: boolean;
  words: string;
}

export interface ExploitReport {
  n: number;
  gain: number;
  gain_interval: [number, number];
  total: Explained | null;
  calibrated_gain: number | null;
  calibrated_gain_interval: [number, number] | null;
  calibrated_total: Explained | null;
  features: ExploitFeature[];
  flags: string[];
}

export interface PolicySample {
  id: number;
  prompt_id: number;
  messages: Message[];
  completion: string;
  reference: string;
  reward: number | null;
  reference_reward: number | null;
  calibrated: number | null;
  reference_calibrated: number | null;
  uncertainty: number | null;
  reference_uncertainty: number | null;
  gold: number | null;
  reference_gold: number | null;
  kl: number | null;
  n_tokens: number | null;
  reference_n_tokens: number | null;
  /** In the pool as an adversarial completion. */
  is_kept: boolean;
  comparison_id: number | null;
  /** What people say of the policy's side; '' while they have not. */
  outcome: '' | 'win' | 'loss' | 'tie';
}

/** Samples with much reward that gold or people find worse than the reference's. */
export interface FooledCount {
  n: number;
  n_by_people: number;
  n_by_gold: number;
  /** Of them in the pool by now, as adversarial completions. */
  n_kept: number;
}

export interface FooledKept extends FooledCount {
  n_new: number;
  /** The refresh that was started with them. */
  refresh: { id: number; number: number } | null;
}
