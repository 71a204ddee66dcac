import { Accordion, Anchor, Button, Group, NumberInput, Radio, Select, SimpleGrid, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { NotStarted } from '@/components/StartButtons';
import { api, ApiError, type Page } from '@/lib/api/client';
import type { ComparisonSet, RewardModelDetail } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { PRESET_NAMES, RECOMMENDED, costFactor, isAdvanced, presetOf, trainRequest, withPreset, type Preset, type TrainForm } from './trainForm';

const PRESET_TEXTS: Record<Preset, [string, string]> = {
  recommended: [t('Recommended'), t('Scaled Bradley-Terry on the whole model: right for most sets.')],
  quick: [t('Quick look'), t('Only the head, one epoch: shows within minutes whether there is anything to learn.')],
  lora: [t('Large base'), t('LoRA: a fraction of the memory, and the base keeps what it knows.')],
  ensemble: [t('Ensemble'), t('Three models by seed and data order: says where it is unsure, at three times the time.')],
};

/** Chooses a comparison set, a base and how to train on them. */
export function TrainPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const sets = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'for-training'],
    queryFn: () => api.get<Page<ComparisonSet>>(`projects/${slug}/comparison-sets`),
  });
  return (
    <>
      <PageHeader
        title={t('Train a reward model')}
        description={t('It learns which completion people prefer. It becomes a candidate: nothing uses it until it is promoted.')}
      />
      {mayTrain ? (
        <Loaded query={sets}>{({ results }) => <Form sets={results.filter(({ frozen_at }) => frozen_at)} />}</Loaded>
      ) : (
        <EmptyState title={t('Researchers train reward models')}>{t('Ask the owner of the project for that role.')}</EmptyState>
      )}
    </>
  );
}

function Form({ sets }: { sets: ComparisonSet[] }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [query] = useSearchParams();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const wanted = query.get('set') ?? String(sets[0]?.id ?? '');
  const form = useForm<TrainForm>({
    initialValues: { ...RECOMMENDED, comparison_set_id: sets.some(({ id }) => String(id) === wanted) ? wanted : null },
    validate: { comparison_set_id: (value) => (value ? null : t('Choose a comparison set.')) },
  });
  const start = useMutation({
    mutationFn: () => api.post<RewardModelDetail>(`projects/${slug}/reward-models`, trainRequest(form.values)),
    onSuccess: async (model) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'reward-models'] });
      void navigate(`/projects/${slug}/reward-models/${model.id}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isAdvanced(field))) setUnfolded('advanced');
    },
  });
  const { training } = form.values;
  const chosen = sets.find(({ id }) => String(id) === form.values.comparison_set_id);
  const preset = presetOf(form.values);
  if (sets.length === 0) {
    return (
      <EmptyState
        title={t('No comparison set yet')}
        action={
          <Button component={Link} to={`/projects/${slug}/comparison-sets`}>
            {t('Comparison sets')}
          </Button>
        }
      >
        {t('A reward model is trained on a frozen comparison set. Make one from the ratings first.')}
      </EmptyState>
    );
  }
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())}>
      <Stack maw={760} gap="lg">
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label={t('Comparison set')}
            required
            allowDeselect={false}
            data={sets.map(({ id, number: n, name }) => ({ value: String(id), label: name ? `${n} · ${name}` : t('Comparison set {{number}}', { number: n }) }))}
            description={chosen && <About set={chosen} />}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            {...form.getInputProps('comparison_set_id')}
          />
          <TextInput
            disabled={training.start === 'continued'}
            label={t('Base model')}
            description={
              training.start === 'continued'
                ? t('That of the promoted model')
                : t('builtin, checkpoint:ID, or a path or hub id with safetensors weights')
            }
            maxLength={500}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            {...form.getInputProps('base_model')}
          />
        </SimpleGrid>
        <Radio.Group label={t('Training starts from')} {...form.getInputProps('training.start')}>
          <Stack gap="xs" mt={4}>
            <Radio
              value="fresh"
              label={t('Afresh')}
              description={t('A new head on the base, from all comparisons of the set. Right while a training takes minutes.')}
            />
            <Radio
              value="continued"
              label={t('From the promoted model')}
              description={t('It keeps what it knows and learns the comparisons that are new in this set: quicker, the more it knows already.')}
            />
          </Stack>
        </Radio.Group>
        {training.start === 'continued' && (
          <NumberInput
            maw={370}
            label={t('Earlier comparisons for each new one')}
            description={t('Seen again, so that it does not forget them. 0 is quickest and forgets most where the new ones are of another kind.')}
            min={0}
            max={20}
            step={0.5}
            allowNegative={false}
            {...form.getInputProps('training.replay')}
          />
        )}
        <Radio.Group
          label={t('How')}
          value={preset ?? 'own'}
          onChange={(value) => {
            if (value !== 'own') form.setValues(withPreset(form.values, value as Preset));
          }}
        >
          <Stack gap="xs" mt={4}>
            {PRESET_NAMES.map((name) => (
              <Radio key={name} value={name} label={PRESET_TEXTS[name][0]} description={PRESET_TEXTS[name][1]} />
            ))}
            {preset === null && <Radio value="own" label={t('Options of your own')} description={t('As set under Advanced.')} />}
          </Stack>
        </Radio.Group>
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <Stack gap="lg">
                <Part title={t('Loss')}>
                  <Switch
                    label={t('The stronger the preference, the more it weighs')}
                    description={t('Scaled Bradley-Terry. Leave it on: it uses the intensity and keeps probabilities honest.')}
                    {...form.getInputProps('training.use_weights', { type: 'checkbox' })}
                  />
                  <Switch
                    label={t('Margins by intensity')}
                    description={t('As Llama 2. Use them when only the order matters to you: probabilities become too bold.')}
                    {...form.getInputProps('training.use_margins', { type: 'checkbox' })}
                  />
                  {training.use_margins && (
                    <NumberInput
                      label={t('Times the margins')}
                      description={t('1 for the small margins of Llama 2, 3 for the large ones.')}
                      min={0.1}
                      max={100}
                      step={0.5}
                      {...form.getInputProps('training.margin_scale')}
                    />
                  )}
                  <Switch
                    label={t('Soft preferences')}
                    description={t('Learn from the share of the votes, not the majority alone. Turn it off where every comparison has one rating.')}
                    {...form.getInputProps('training.use_soft_preferences', { type: 'checkbox' })}
                  />
                  <Select
                    label={t('Ties')}
                    description={t('Davidson when ties are common and mean “equally good”; drop when they mean “did not look”.')}
                    allowDeselect={false}
                    data={[
                      { value: 'soft', label: t('as a preference of one half') },
                      { value: 'davidson', label: t('as a third outcome (Davidson)') },
                      { value: 'drop', label: t('leave them out') },
                    ]}
                    {...form.getInputProps('training.ties')}
                  />
                  <SimpleGrid cols={{ base: 1, sm: 2 }}>
                    <NumberInput
                      label={t('Label smoothing')}
                      description={t('About the share of wrong labels, say 0.1, where labellers are careless.')}
                      min={0}
                      max={0.9}
                      step={0.05}
                      {...form.getInputProps('training.label_smoothing')}
                    />
                    <NumberInput
                      label={t('Centring')}
                      description={t('0.01 keeps rewards near 0: useful before an ensemble or a policy uses them.')}
                      min={0}
                      max={10}
                      step={0.01}
                      {...form.getInputProps('training.centring')}
                    />
                  </SimpleGrid>
                </Part>
                <Part title={t('What is trained')}>
                  <Select
                    label={t('Weights')}
                    description={t('All where the base is small; LoRA where memory is short or the base must not forget; the head for a first look.')}
                    allowDeselect={false}
                    data={[
                      { value: 'full', label: t('all of them') },
                      { value: 'lora', label: t('LoRA') },
                      { value: 'head', label: t('the head only') },
                    ]}
                    {...form.getInputProps('training.tuning')}
                  />
                  {training.tuning === 'lora' && (
                    <NumberInput
                      label={t('Rank of LoRA')}
                      description={t('16 is enough for most; more for large sets.')}
                      min={1}
                      max={1024}
                      allowDecimal={false}
                      {...form.getInputProps('training.lora_rank')}
                    />
                  )}
                  <Switch
                    label={t('Gradient checkpointing')}
                    description={t('When it runs out of memory: a third slower for much less of it.')}
                    {...form.getInputProps('training.gradient_checkpointing', { type: 'checkbox' })}
                  />
                  <SimpleGrid cols={{ base: 1, sm: 2 }}>
                    <NumberInput
                      label={t('Members')}
                      description={t('Models trained apart, 3 to 5 where a policy will push against the reward; each takes its own time.')}
                      min={1}
                      max={16}
                      allowDecimal={false}
                      {...form.getInputProps('n_members')}
                    />
                    <NumberInput
                      label={t('Heads on one trunk')}
                      description={t('A cheap ensemble, when members cost too much; its heads differ less.')}
                      min={1}
                      max={64}
                      allowDecimal={false}
                      {...form.getInputProps('training.n_heads')}
                    />
                  </SimpleGrid>
                </Part>
                <Part title={t('Length and noise')}>
                  <Select
                    label={t('Against a taste for length')}
                    description={t('Nothing at first. Choose one when a report shows that the reward follows length.')}
                    allowDeselect={false}
                    data={[
                      { value: 'none', label: t('nothing') },
                      { value: 'random_pairing', label: t('random pairs of other prompts') },
                      { value: 'odin', label: t('a second head that takes length (ODIN)') },
                    ]}
                    {...form.getInputProps('training.length_remedy')}
                  />
                  {training.length_remedy === 'random_pairing' && (
                    <NumberInput
                      label={t('Added pairs per comparison')}
                      description={t('A quarter is usual; more where the taste stays.')}
                      min={0.01}
                      max={1}
                      step={0.05}
                      {...form.getInputProps('training.random_pairing_share')}
                    />
                  )}
                  <Select
                    label={t('Labels that models contradict')}
                    description={t('Needs the set’s label noise, estimated on its page. Soft labels where many are doubtful; drop or flip where few are surely wrong.')}
                    allowDeselect={false}
                    data={[
                      { value: 'none', label: t('take them as they are') },
                      { value: 'drop', label: t('leave them out') },
                      { value: 'flip', label: t('turn them round') },
                      { value: 'soft', label: t('soften them') },
                      { value: 'margin', label: t('margin by how sure the models are') },
                    ]}
                    {...form.getInputProps('training.noise_treatment')}
                  />
                  <Select
                    label={t('Learn from')}
                    description={t('Single ratings where labellers differ in care and each has rated dozens: reliability and position bias are learnt too.')}
                    allowDeselect={false}
                    data={[
                      { value: 'comparisons', label: t('comparisons, with the ratings summed up') },
                      { value: 'labellers', label: t('single ratings, knowing the labeller') },
                    ]}
                    {...form.getInputProps('training.objective')}
                  />
                </Part>
                <Part title={t('The run')}>
                  <SimpleGrid cols={{ base: 1, sm: 2 }}>
                    {(
                      [
                        ['epochs', t('Epochs'), t('One to three; more learns the labels by heart.'), { min: 1, max: 100 }],
                        ['batch_size', t('Batch size'), t('Smaller where there are few comparisons.'), { min: 1, max: 4096 }],
                        ['learning_rate', t('Learning rate'), t('Halve it when the loss jumps.'), { max: 1, step: 0.00001 }],
                        ['max_length', t('Longest text, tokens'), t('Longer texts are cut at their beginning.'), { min: 8, max: 131_072 }],
                        ['seed', t('Seed'), t('Another one shows how much is chance.'), { min: 0 }],
                      ] as const
                    ).map(([name, label, description, limits]) => (
                      <NumberInput
                        key={name}
                        label={label}
                        description={description}
                        placeholder={t('default')}
                        allowNegative={false}
                        {...limits}
                        {...form.getInputProps(`training.${name}`)}
                      />
                    ))}
                  </SimpleGrid>
                </Part>
              </Stack>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <NotStarted error={start.error} />
        <Group justify="space-between">
          <Text size="sm" c="dimmed" aria-live="polite">
            {costFactor(form.values) > 1 && t('Takes about {{factor}} times as long as one model.', { factor: number(costFactor(form.values)) })}
          </Text>
          <Button type="submit" loading={start.isPending}>
            {t('Train')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap="sm">
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

function About({ set }: { set: ComparisonSet }) {
  const { slug } = useProject();
  const { train, validation, test } = set.counts;
  return (
    <>
      {t('{{train}} to train on, {{validation}} for validation, {{test}} held out.', {
        train: number(train),
        validation: number(validation),
        test: number(test),
      })}{' '}
      <Anchor component={Link} to={`/projects/${slug}/comparison-sets/${set.id}`} inherit underline="always">
        {t('Open it')}
      </Anchor>
    </>
  );
}
