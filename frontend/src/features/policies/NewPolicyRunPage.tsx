import { Accordion, Alert, Button, Group, NumberInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { Link, useNavigate } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { NotStarted, ToCorrect } from '@/components/StartButtons';
import { EmptyState, Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { PolicyRun, PolicyRunChoices, PolicyRunPreview } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number, span } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { checks, initialForm, isFolded, NOBODY, PATH, requestOf, type PolicyRunForm } from './form';
import { ALGORITHMS, ENSEMBLES, REWARDS, SHAPINGS } from './words';

const UNDER: ('label' | 'input' | 'description' | 'error')[] = ['label', 'input', 'description', 'error'];

/** Chooses a policy, the reward it is trained on, and how it is watched. */
export function NewPolicyRunPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const choices = useQuery({
    queryKey: ['projects', slug, 'policy-runs', 'options'],
    queryFn: () => api.get<PolicyRunChoices>(`projects/${slug}/policy-runs/options`),
    enabled: mayTrain,
  });
  return (
    <>
      <PageHeader
        title={t('New policy run')}
        description={t('Trains a policy on the reward of a frozen model. The model it starts from stays beside it as the reference.')}
      />
      {mayTrain ? (
        <Loaded query={choices}>{(found) => (found.problem ? <CannotStart problem={found.problem} /> : <Form choices={found} />)}</Loaded>
      ) : (
        <EmptyState title={t('Researchers start policy runs')}>{t('Ask the owner of the project for that role.')}</EmptyState>
      )}
    </>
  );
}

function CannotStart({ problem }: { problem: string }) {
  const { slug } = useProject();
  return (
    <EmptyState
      title={t('It cannot start yet')}
      action={
        <Button component={Link} to={`/projects/${slug}/reward-models`} variant="default">
          {t('Reward models')}
        </Button>
      }
    >
      {problem}
    </EmptyState>
  );
}

function Form({ choices }: { choices: PolicyRunChoices }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [unfolded, setUnfolded] = useState<string | null>(null);
  const form = useForm<PolicyRunForm>({ initialValues: initialForm(choices), validate: checks });
  const { values } = form;
  // As text: an object made anew would never come to rest.
  const [asked] = useDebouncedValue(JSON.stringify(requestOf(values)), 400);
  const preview = useQuery({
    queryKey: ['projects', slug, 'policy-runs', 'preview', asked],
    queryFn: () => api.post<PolicyRunPreview>(`projects/${slug}/policy-runs/preview`, JSON.parse(asked) as Record<string, unknown>),
    placeholderData: (previous) => previous,
    retry: false,
  });
  const start = useMutation({
    mutationFn: () => api.post<PolicyRun>(`projects/${slug}/policy-runs`, requestOf(values)),
    onSuccess: async (run) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs'] });
      void navigate(`/projects/${slug}/policy-runs/${run.number}`);
    },
    onError: (error) => {
      showErrors(form, error);
      if (error instanceof ApiError && error.errors.some(({ field }) => isFolded(field))) setUnfolded('advanced');
    },
  });
  const isEnsemble = choices.reward_models.some(({ version, n_members }) => String(version) === values.reward_model && n_members > 1);
  const models = choices.reward_models.map(({ version, label, is_served }) => ({
    value: String(version),
    label: is_served ? t('{{model}}, served now', { model: label }) : label,
  }));
  const field = (name: keyof PolicyRunForm) => ({ inputWrapperOrder: UNDER, ...form.getInputProps(name) });
  return (
    <form onSubmit={form.onSubmit(() => start.mutate())} noValidate>
      <Stack maw={760} gap="lg">
        <Part title={t('What is trained')}>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select
              label={t('Policy')}
              description={t('It starts from this model, which is also the reference.')}
              allowDeselect={false}
              data={[...choices.starts, { value: PATH, label: t('a path on the worker …') }]}
              {...field('start')}
            />
            {values.start === PATH && <TextInput label={t('Path')} placeholder="/models/policy-7" maxLength={490} {...field('path')} />}
            <Select
              label={t('Reward model')}
              description={t('Its reward is what the policy is trained on; it learns nothing itself.')}
              allowDeselect={false}
              data={models}
              {...field('reward_model')}
            />
            {choices.combinable.length > 0 && (
              <Select
                label={t('Combined with')}
                description={t('Another project’s model: where it says that a completion is unsafe, that counts, else the first.')}
                allowDeselect={false}
                data={[{ value: NOBODY, label: t('none') }, ...choices.combinable]}
                {...field('combine_with')}
              />
            )}
            <Select
              label={t('Gold model')}
              description={t('A second reward model that the policy never sees: it shows where the first is fooled.')}
              allowDeselect={false}
              data={[{ value: NOBODY, label: t('none: people alone') }, ...models.filter(({ value }) => value !== values.reward_model)]}
              {...field('gold_model')}
              value={values.gold_model === values.reward_model ? NOBODY : values.gold_model}
            />
          </SimpleGrid>
        </Part>
        <Part title={t('How far it may go')}>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <NumberInput
              label={t('Weight of KL (beta)')}
              description={t(
                '0.01 to 0.1 is usual. At 0.05 a gain of one in reward may cost 20 nats of KL: far enough to learn what the model rewards, near enough to notice when that stops being good.',
              )}
              min={0}
              max={10}
              step={0.01}
              {...field('beta')}
            />
            <NumberInput
              label={t('Stop at a KL of, nats')}
              description={t('0 for no limit. It also stops by itself where gold or people say that it got worse.')}
              min={0}
              max={10_000}
              {...field('kl_limit')}
            />
            <NumberInput label={t('Updates')} min={1} max={100_000} allowDecimal={false} {...field('n_steps')} />
            <NumberInput label={t('Prompts per update')} min={1} max={4096} allowDecimal={false} {...field('prompts_per_step')} />
            <NumberInput
              label={t('Completions per prompt')}
              description={t('Compared among each other: at least two.')}
              min={2}
              max={64}
              allowDecimal={false}
              {...field('completions_per_prompt')}
            />
            <NumberInput label={t('Longest completion, tokens')} min={1} max={16_384} allowDecimal={false} {...field('max_new_tokens')} />
          </SimpleGrid>
        </Part>
        <Part title={t('How it is watched')}>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <NumberInput
              label={t('Evaluate every, updates')}
              description={t('On prompts that it never trains on, with KL exactly.')}
              min={1}
              max={100_000}
              allowDecimal={false}
              {...field('evaluate_every')}
            />
            <NumberInput
              label={t('Comparisons asked each time')}
              description={t('Blind pairs of policy and reference, on top of every labeller’s queue.')}
              min={0}
              max={500}
              allowDecimal={false}
              {...field('n_human')}
            />
          </SimpleGrid>
          <TagsInput
            label={t('Ask people at KLs of, nats')}
            description={t('Enter adds one. Empty: people are asked by hand only.')}
            placeholder={values.human_kls.length === 0 ? t('never') : undefined}
            {...field('human_kls')}
          />
        </Part>
        <Accordion variant="contained" value={unfolded} onChange={setUnfolded}>
          <Accordion.Item value="advanced">
            <Accordion.Control>{t('Advanced')}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Select
                  label={t('Algorithm')}
                  description={t('Each completion against the others of its prompt; GRPO in units of their spread.')}
                  allowDeselect={false}
                  data={ALGORITHMS}
                  {...field('algorithm')}
                />
                <Select label={t('Reward')} allowDeselect={false} data={REWARDS} {...field('reward')} />
                <Select
                  label={t('Shaping')}
                  description={t('What the trainer makes of the reward before it learns from it.')}
                  allowDeselect={false}
                  data={SHAPINGS}
                  {...field('shaping')}
                />
                <Select
                  label={t('Members of an ensemble')}
                  description={t('What counts where the members of the reward model differ.')}
                  disabled={!isEnsemble && values.ensemble === 'mean'}
                  allowDeselect={false}
                  data={ENSEMBLES}
                  {...field('ensemble')}
                />
                {values.ensemble === 'uncertainty' && (
                  <NumberInput
                    label={t('Weight of their variance')}
                    description={t('The reward is the members’ mean less this times their variance.')}
                    min={0}
                    max={100}
                    step={0.1}
                    {...field('uncertainty_weight')}
                  />
                )}
                <NumberInput
                  label={t('Steer KL to, nats')}
                  description={t('0 leaves beta as it is; else beta follows, to hold KL there.')}
                  min={0}
                  max={10_000}
                  {...field('kl_target')}
                />
                {Number(values.kl_target) > 0 && (
                  <NumberInput
                    label={t('Beta follows over, completions')}
                    description={t('Fewer make it follow faster.')}
                    min={1}
                    step={100}
                    {...field('kl_horizon')}
                  />
                )}
                <NumberInput
                  label={t('Updates of each batch')}
                  description={t('More than one clips the ratio, as PPO does.')}
                  min={1}
                  max={16}
                  allowDecimal={false}
                  {...field('n_iterations')}
                />
                {Number(values.n_iterations) > 1 && (
                  <NumberInput
                    label={t('Clip the ratio at 1 ±')}
                    description={t('How far one batch may move the policy.')}
                    min={0.01}
                    max={1}
                    step={0.05}
                    {...field('clip')}
                  />
                )}
                <NumberInput
                  label={t('Longest prompt, tokens')}
                  description={t('Longer ones are left out, in training and evaluation.')}
                  min={8}
                  max={131_072}
                  allowDecimal={false}
                  {...field('max_prompt_tokens')}
                />
                <NumberInput label={t('Temperature')} min={0.01} max={5} step={0.1} {...field('temperature')} />
                <NumberInput label={t('Learning rate')} min={0} max={1} step={0.00001} {...field('learning_rate')} />
                <NumberInput
                  label={t('Rank of LoRA')}
                  description={t('0 trains all weights.')}
                  min={0}
                  max={1024}
                  allowDecimal={false}
                  {...field('lora_rank')}
                />
                <NumberInput
                  label={t('Prompts of the probe set')}
                  description={t('Kept out of training, for every evaluation the same.')}
                  min={4}
                  max={2000}
                  allowDecimal={false}
                  {...field('n_probe')}
                />
                <NumberInput label={t('Seed')} min={0} allowDecimal={false} {...field('seed')} />
              </SimpleGrid>
              <Title order={3} size="h5" mt="lg" mb="xs">
                {t('When it ends early')}
              </Title>
              <Switch
                label={t('End when gold or people say so')}
                description={t('Else it goes on to its last update or its limit of KL, and the best is chosen then.')}
                mb="sm"
                {...form.getInputProps('early_stop', { type: 'checkbox' })}
              />
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <NumberInput
                  label={t('Patience, evaluations')}
                  description={t('Over as many, gold must rise where the reward does; 0 for no such rule. People count for it from 100 ratings an evaluation.')}
                  min={0}
                  max={200}
                  allowDecimal={false}
                  {...field('stop_patience')}
                />
                <NumberInput
                  label={t('Confidence of the bounds')}
                  description={t('It ends once what gold or people say now lies below their best with this confidence.')}
                  min={0.5}
                  max={0.9999}
                  step={0.01}
                  {...field('stop_confidence')}
                />
                <NumberInput
                  label={t('Margin of gold')}
                  description={t('It ends once gold lies below its best by more than this; 0 for no such rule.')}
                  min={0}
                  step={0.1}
                  {...field('stop_margin')}
                />
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <Preview preview={preview.data} error={preview.error} />
        <NotStarted error={start.error} />
        <Group justify="flex-end">
          <Button type="submit" loading={start.isPending}>
            {t('Start the run')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack component="section" gap="sm">
      <Title order={2} size="h4">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

/** What the run would take, or what is wrong with it, while the form is filled in. */
function Preview({ preview, error }: { preview: PolicyRunPreview | undefined; error: Error | null }) {
  if (error) return <ToCorrect error={error} />;
  if (!preview) return <Text c="dimmed">{t('Counting …')}</Text>;
  return (
    <Alert color="blue" variant="light" aria-live="polite">
      <Text fw={600}>
        {t('{{completions}} in training, at most {{evaluations}}', {
          completions: t('{{count}} completions', { count: preview.n_completions }),
          evaluations: t('{{count}} evaluations', { count: preview.n_evaluations }),
        })}
      </Text>
      <Text size="sm">
        {[
          t('{{prompts}} to train on, each drawn {{times}} times; {{probe}} others to evaluate on. At most {{tokens}} tokens are written.', {
            prompts: t('{{count}} prompts', { count: preview.n_prompts }),
            times: number(preview.passes, preview.passes < 10 ? 1 : 0),
            probe: number(preview.n_probe),
            tokens: number(preview.max_new_tokens),
          }),
          preview.n_comparisons > 0 &&
            t('People are asked {{comparisons}} at most, {{ratings}}.', {
              comparisons: t('{{count}} comparisons', { count: preview.n_comparisons }),
              ratings: t('{{count}} ratings', { count: preview.n_ratings }),
            }),
          preview.seconds !== null && t('Computing takes about {{time}}.', { time: span(preview.seconds) }),
        ]
          .filter(Boolean)
          .join(' ')}
      </Text>
    </Alert>
  );
}
