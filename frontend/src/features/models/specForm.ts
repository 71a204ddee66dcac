/** The spec of a comparison set: as the API has it, as a form has it, and as the address of a page has it. */

export interface SetSpec {
  min_ratings: number;
  min_agreement: number;
  /** What becomes of comparisons below it: left out, or kept as hard ones with less weight. */
  low_agreement: 'drop' | 'hard';
  hard_weight: number;
  min_intensity: number | null;
  ties: 'drop' | 'soft';
  intensity_weighting: 'scaled_bt' | 'none';
  agreement_weighting: 'none' | 'share';
  preference: 'votes' | 'posterior';
  margins: 'small' | 'large' | 'none';
  include_adjudicated: boolean;
  max_comparisons: number | null;
  /** Days ("2026-11-27"), both included. */
  rated_from: string | null;
  rated_to: string | null;
  /** Lists that are empty leave nothing out. */
  guideline_versions: number[];
  sources: number[];
  source_kinds: string[];
  /** The largest share (0 to 1) of the set with a completion of that kind of source. */
  max_source_share: Record<string, number>;
  languages: string[];
  tags: string[];
  without_tags: string[];
  labellers: number[];
  without_labellers: number[];
  max_cluster_share: number | null;
  /** AI ratings that count: none, of what nobody has rated, also of what people have rated too little. */
  ai: AiSpec;
}

export interface AiSpec {
  use: 'none' | 'unrated' | 'all';
  /** The largest share (0 to 1) of the set, and the weight (0 to 1) of such a row. */
  max_share: number;
  weight: number;
}

export type SpecField = keyof SetSpec;

/** What the server does where a spec says nothing. */
export const DEFAULTS: SetSpec = {
  min_ratings: 1,
  min_agreement: 0,
  low_agreement: 'drop',
  hard_weight: 0.5,
  min_intensity: null,
  ties: 'drop',
  intensity_weighting: 'scaled_bt',
  agreement_weighting: 'none',
  preference: 'votes',
  margins: 'small',
  include_adjudicated: true,
  max_comparisons: null,
  rated_from: null,
  rated_to: null,
  guideline_versions: [],
  sources: [],
  source_kinds: [],
  max_source_share: {},
  languages: [],
  tags: [],
  without_tags: [],
  labellers: [],
  without_labellers: [],
  max_cluster_share: null,
  ai: { use: 'none', max_share: 1, weight: 1 },
};
export const SPEC_FIELDS = Object.keys(DEFAULTS) as SpecField[];

/** The fields that a page shows at first; the others are under "More filters". */
const MAIN: readonly SpecField[] = ['min_ratings', 'min_agreement', 'low_agreement', 'hard_weight', 'ties', 'min_intensity'];

/** Whether a complaint of the server ("spec.tags") is about a field that is folded away. */
export function isUnderMore(field: string): boolean {
  const [whole, name] = field.split('.');
  return whole === 'spec' && !MAIN.includes(name as SpecField);
}

/** What was chosen apart from the defaults. The weight of hard ones and of AI ratings says nothing where there are none. */
export function differing(spec: Partial<SetSpec>): Partial<SetSpec> {
  const isSaid = (name: SpecField) =>
    spec[name] !== undefined &&
    JSON.stringify(spec[name]) !== JSON.stringify(DEFAULTS[name]) &&
    (name !== 'hard_weight' || spec.low_agreement === 'hard') &&
    (name !== 'ai' || spec.ai?.use !== 'none');
  return Object.fromEntries(SPEC_FIELDS.filter(isSaid).map((name) => [name, spec[name]]));
}

// --- the address ------------------------------------------------------------------------------------------------------

/** As query parameters, of a page or of the preview: lists repeat, the share of a kind is "kind:share". */
export function queryOf(spec: Partial<SetSpec>): string {
  const pairs = Object.entries(differing(spec)).flatMap(([name, value]): [string, string][] => {
    if (Array.isArray(value)) return value.map((one) => [name, String(one)]);
    if (typeof value === 'object' && value !== null) return Object.entries(value).map(([kind, share]) => [name, `${kind}:${share}`]);
    return [[name, String(value)]];
  });
  return new URLSearchParams(pairs).toString();
}

/** The spec in an address. What makes no sense is passed over: addresses are typed and cut off. */
export function specIn(query: URLSearchParams): SetSpec {
  const spec: SetSpec = { ...DEFAULTS };
  for (const name of SPEC_FIELDS) {
    const given = query.getAll(name);
    if (given.length > 0) Object.assign(spec, readField(name, given));
  }
  return spec;
}

const CHOICES: Partial<Record<SpecField, readonly string[]>> = {
  low_agreement: ['drop', 'hard'],
  ties: ['drop', 'soft'],
  intensity_weighting: ['scaled_bt', 'none'],
  agreement_weighting: ['none', 'share'],
  preference: ['votes', 'posterior'],
  margins: ['small', 'large', 'none'],
};
const OF_NUMBERS: readonly SpecField[] = ['guideline_versions', 'sources', 'labellers', 'without_labellers'];
const DAYS: readonly SpecField[] = ['rated_from', 'rated_to'];

function readField(name: SpecField, given: string[]): Partial<SetSpec> {
  const [first = ''] = given;
  if (name === 'ai') return { ai: aiIn(given) };
  if (name === 'max_source_share') return { max_source_share: sharesIn(given) };
  if (OF_NUMBERS.includes(name)) return { [name]: given.map(Number).filter((one) => Number.isInteger(one) && one > 0) };
  if (Array.isArray(DEFAULTS[name])) return { [name]: given.filter(Boolean) };
  if (name === 'include_adjudicated') return { include_adjudicated: first !== 'false' };
  if (DAYS.includes(name)) return /^\d{4}-\d{2}-\d{2}$/.test(first) ? { [name]: first } : {};
  const choices = CHOICES[name];
  if (choices) return choices.includes(first) ? { [name]: first } : {};
  return first.trim() !== '' && Number.isFinite(Number(first)) ? { [name]: Number(first) } : {};
}

function sharesIn(given: string[]): Record<string, number> {
  const pairs = given.map((one): [string, number] => {
    const at = one.lastIndexOf(':');
    return [one.slice(0, at), at > 0 && at < one.length - 1 ? Number(one.slice(at + 1)) : Number.NaN];
  });
  return Object.fromEntries(pairs.filter(([, share]) => Number.isFinite(share)));
}

function aiIn(given: string[]): AiSpec {
  const said = Object.fromEntries(given.map((one) => one.split(':', 2)));
  const share = (text: string | undefined, otherwise: number) => (text && Number(text) >= 0 && Number(text) <= 1 ? Number(text) : otherwise);
  return {
    use: said.use === 'unrated' || said.use === 'all' ? said.use : 'none',
    max_share: share(said.max_share, DEFAULTS.ai.max_share),
    weight: share(said.weight, DEFAULTS.ai.weight),
  };
}

// --- the form ---------------------------------------------------------------------------------------------------------

/** A number field; '' when it is empty. */
export type Entry = number | '';

type AsEntries = 'min_ratings' | 'min_agreement' | 'hard_weight' | 'min_intensity' | 'max_comparisons' | 'max_cluster_share';
type AsTexts = 'guideline_versions' | 'sources' | 'labellers' | 'without_labellers';

/** A spec in fields: shares in per cent, ids as the texts that select boxes have, '' for what is not asked. */
export type SpecForm = Omit<SetSpec, AsEntries | AsTexts | 'max_source_share' | 'rated_from' | 'rated_to' | 'ai'> &
  Record<AsEntries, Entry> &
  Record<AsTexts, string[]> & { max_source_share: Record<string, Entry>; rated_from: string; rated_to: string; ai: { use: AiSpec['use']; max_share: Entry; weight: Entry } };

export function formOf(spec: SetSpec): SpecForm {
  return {
    ...spec,
    min_agreement: inPercent(spec.min_agreement),
    min_intensity: spec.min_intensity ?? '',
    max_comparisons: spec.max_comparisons ?? '',
    max_cluster_share: spec.max_cluster_share === null ? '' : inPercent(spec.max_cluster_share),
    max_source_share: Object.fromEntries(Object.entries(spec.max_source_share).map(([kind, share]) => [kind, inPercent(share)])),
    ai: { ...spec.ai, max_share: inPercent(spec.ai.max_share) },
    rated_from: spec.rated_from ?? '',
    rated_to: spec.rated_to ?? '',
    guideline_versions: spec.guideline_versions.map(String),
    sources: spec.sources.map(String),
    labellers: spec.labellers.map(String),
    without_labellers: spec.without_labellers.map(String),
  };
}

/** The spec that the fields ask for, without what is the default anyway. */
export function specOf(form: SpecForm): Partial<SetSpec> {
  const shares = Object.entries(form.max_source_share).filter((pair): pair is [string, number] => pair[1] !== '');
  return differing({
    ...form,
    min_ratings: orElse(form.min_ratings, DEFAULTS.min_ratings),
    min_agreement: orElse(form.min_agreement, 0) / 100,
    hard_weight: orElse(form.hard_weight, DEFAULTS.hard_weight),
    min_intensity: orElse(form.min_intensity, null),
    max_comparisons: orElse(form.max_comparisons, null),
    max_cluster_share: form.max_cluster_share === '' ? null : form.max_cluster_share / 100,
    max_source_share: Object.fromEntries(shares.map(([kind, share]) => [kind, share / 100])),
    ai: { use: form.ai.use, max_share: orElse(form.ai.max_share, 100) / 100, weight: orElse(form.ai.weight, DEFAULTS.ai.weight) },
    rated_from: form.rated_from || null,
    rated_to: form.rated_to || null,
    guideline_versions: form.guideline_versions.map(Number),
    sources: form.sources.map(Number),
    labellers: form.labellers.map(Number),
    without_labellers: form.without_labellers.map(Number),
  });
}

const orElse = <T>(entry: Entry, otherwise: T): number | T => (entry === '' ? otherwise : entry);
// Without the noise of binary fractions: 0.57 is 57 %, not 56.999….
const inPercent = (share: number) => Number((share * 100).toFixed(4));
