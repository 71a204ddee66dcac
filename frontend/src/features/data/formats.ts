import { t } from '@/lib/i18n';
/** The formats that can be imported, each with a row as it looks. */

export const FORMATS = [
  { value: 'auto', label: t('Recognise it by the first row'), sample: '' },
  {
    value: 'touchstone',
    label: t('Touchstone: prompt, completions, ratings'),
    sample: `{"prompt": [{"role": "user", "content": "Why is the sky blue?"}],
 "completions": [{"text": "Rayleigh scattering.", "source": "model-1"},
                 {"text": "Because.", "source": "model-2"}],
 "ratings": [{"labeller": "ann", "preferred": 0, "intensity": 3}]}`,
  },
  {
    value: 'chosen_rejected',
    label: t('Chosen and rejected'),
    sample: `{"prompt": "Why is the sky blue?",
 "chosen": "Rayleigh scattering.", "rejected": "Because."}`,
  },
  {
    value: 'transcript',
    label: t('Transcripts of HH-RLHF'),
    sample: `{"chosen": "\\n\\nHuman: Why is the sky blue?\\n\\nAssistant: Rayleigh scattering.",
 "rejected": "\\n\\nHuman: Why is the sky blue?\\n\\nAssistant: Because."}`,
  },
  {
    value: 'completions',
    label: t('A prompt with its completions'),
    sample: `{"prompt": "Why is the sky blue?",
 "completions": ["Rayleigh scattering.", "Because.", "It reflects the sea."]}`,
  },
] as const;

export const SOURCE_KINDS = [
  { value: 'external', label: t('External model') },
  { value: 'sft', label: t('SFT model') },
  { value: 'early_policy', label: t('Early policy') },
  { value: 'current_policy', label: t('Current policy') },
  { value: 'adversarial', label: t('Adversarial') },
  { value: 'random', label: t('Random') },
  { value: 'human', label: t('Human') },
];
