/** The form that trains a reward model, in the shape of the request: the server's complaints find their fields by name. */

/** A number field; '' when it is empty, which leaves it to the base model's default. */
export type Entry = number | '';

export interface TrainForm {
  comparison_set_id: string | null;
  base_model: string;
  n_members: Entry;
  training: {
    start: 'fresh' | 'continued';
    replay: Entry;
    epochs: Entry;
    batch_size: Entry;
    learning_rate: Entry;
    max_length: Entry;
    seed: Entry;
    use_weights: boolean;
    use_margins: boolean;
    margin_scale: Entry;
    use_soft_preferences: boolean;
    ties: 'soft' | 'davidson' | 'drop';
    label_smoothing: Entry;
    centring: Entry;
    tuning: 'full' | 'lora' | 'head';
    lora_rank: Entry;
    gradient_checkpointing: boolean;
    n_heads: Entry;
    length_remedy: 'none' | 'random_pairing' | 'odin';
    random_pairing_share: Entry;
    objective: 'comparisons' | 'labellers';
    noise_treatment: 'none' | 'drop' | 'flip' | 'soft' | 'margin';
  };
}

/** What the engine does when nothing is chosen: scaled Bradley-Terry on the whole model. */
export const RECOMMENDED: TrainForm = {
  comparison_set_id: null,
  base_model: 'builtin',
  n_members: 1,
  training: {
    start: 'fresh',
    replay: 1,
    epochs: '',
    batch_size: '',
    learning_rate: '',
    max_length: '',
    seed: '',
    use_weights: true,
    use_margins: false,
    margin_scale: 1,
    use_soft_preferences: true,
    ties: 'soft',
    label_smoothing: 0,
    centring: 0,
    tuning: 'full',
    lora_rank: 16,
    gradient_checkpointing: false,
    n_heads: 1,
    length_remedy: 'none',
    random_pairing_share: 0.25,
    objective: 'comparisons',
    noise_treatment: 'none',
  },
};

/** The options that matter only beside another: without it they are not sent. */
const ONLY_WITH: Partial<Record<keyof TrainForm['training'], (training: TrainForm['training']) => boolean>> = {
  replay: ({ start }) => start === 'continued',
  margin_scale: ({ use_margins }) => use_margins,
  lora_rank: ({ tuning }) => tuning === 'lora',
  random_pairing_share: ({ length_remedy }) => length_remedy === 'random_pairing',
};

/** What was chosen apart from what is recommended; the server knows the defaults. */
export function chosenOptions({ training }: TrainForm): Partial<TrainForm['training']> {
  const recommended = RECOMMENDED.training;
  return Object.fromEntries(
    Object.entries(training).filter(([key, value]) => {
      const name = key as keyof TrainForm['training'];
      return value !== '' && value !== recommended[name] && (ONLY_WITH[name]?.(training) ?? true);
    }),
  );
}

export function trainRequest(form: TrainForm) {
  const training = chosenOptions(form);
  return {
    comparison_set_id: Number(form.comparison_set_id),
    // What goes on from a model keeps its base, whatever was written before.
    base_model: (form.training.start === 'fresh' && form.base_model.trim()) || 'builtin',
    ...(typeof form.n_members === 'number' && form.n_members > 1 && { n_members: form.n_members }),
    ...(Object.keys(training).length > 0 && { training }),
  };
}

/** How many times the work of one plain run the choices cost, as far as they say: an ensemble trains each member. */
export function costFactor({ n_members }: TrainForm): number {
  return n_members === '' ? 1 : Math.max(1, n_members);
}

const OPEN = new Set(['training.start', 'training.replay']);

/** Whether a complaint is about a field that is folded away. */
export function isAdvanced(field: string): boolean {
  return (field.startsWith('training.') && !OPEN.has(field)) || field === 'training' || field === 'n_members';
}

export type Preset = 'recommended' | 'quick' | 'lora' | 'ensemble';

const PRESETS: Record<Preset, { n_members: number; training: Partial<TrainForm['training']> }> = {
  recommended: { n_members: 1, training: {} },
  quick: { n_members: 1, training: { tuning: 'head', epochs: 1 } },
  lora: { n_members: 1, training: { tuning: 'lora' } },
  ensemble: { n_members: 3, training: {} },
};
export const PRESET_NAMES = Object.keys(PRESETS) as Preset[];

/** The form with a preset's options; the set, the base and what it starts from stay. */
export function withPreset(form: TrainForm, preset: Preset): TrainForm {
  const { n_members, training } = PRESETS[preset];
  const { start, replay } = form.training;
  return { ...form, n_members, training: { ...RECOMMENDED.training, ...training, start, replay } };
}

/** The preset that the options are, or null for options of one's own. */
export function presetOf(form: TrainForm): Preset | null {
  const is = (preset: Preset) => {
    const wanted = withPreset(form, preset);
    return wanted.n_members === form.n_members && JSON.stringify(chosenOptions(wanted)) === JSON.stringify(chosenOptions(form));
  };
  return PRESET_NAMES.find(is) ?? null;
}
