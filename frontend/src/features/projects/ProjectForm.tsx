import {
  ActionIcon, Alert, Autocomplete, Button, Divider, Group, Input, NumberInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text, Textarea, TextInput,
  Title,
} from '@mantine/core';
import { useForm, type UseFormReturnType } from '@mantine/form';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useId, useState, type ReactNode } from 'react';
import { ApiError } from '@/lib/api/client';
import type { Project } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';

type Settings = Omit<Project, 'slug' | 'is_demo' | 'is_archived' | 'pool' | 'role' | 'capabilities' | 'created_at'>;
export type ProjectValues = Settings & { pool_id?: number | null };

export const DEFAULTS: ProjectValues = {
  name: '',
  description: '',
  axis: 'helpfulness',
  intensity_labels: ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'],
  ties_allowed: false,
  ranking_size: null,
  bucket_axis: '',
  bucket_labels: [],
  min_ratings: 3,
  max_ratings: 5,
  stop_confidence: 0.9,
  disagreement_limit: 0.3,
  justification_min_length: 0,
  is_length_shown: false,
  grace_minutes: 60,
  lease_minutes: 30,
  gold_rate: 0.05,
  repeat_rate: 0.03,
  gold_floor: null,
  gold_window: 10,
  is_gold_shown: false,
  quiz_pass_share: 0.8,
  sensitive_tags: [],
  sensitive_per_day: null,
  pay_per_hour: null,
  currency: '',
};

/** What the form holds of a project that exists. */
export function settingsOf(project: Project): ProjectValues {
  const names = Object.keys(DEFAULTS) as (keyof Settings)[];
  return Object.fromEntries(names.map((name) => [name, project[name]])) as ProjectValues;
}

type Form = UseFormReturnType<ProjectValues>;

interface Props {
  initial: ProjectValues;
  pools?: { value: string; label: string }[];
  submitLabel: string;
  onSubmit: (values: ProjectValues) => Promise<void>;
}

/** All settings of a project; the server's bounds are the fields' bounds. */
export function ProjectForm({ initial, pools, submitLabel, onSubmit }: Props) {
  const form = useForm({ initialValues: initial });
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);

  const submit = async (values: ProjectValues) => {
    setBusy(true);
    setProblem('');
    try {
      await onSubmit(values);
      form.resetDirty();
    } catch (error) {
      setProblem(showErrors(form, error));
      // The form is long: what has to be mended may be far above the button.
      const first = error instanceof ApiError && error.errors.find(({ field }) => field)?.field;
      if (first) (form.getInputNode(first) ?? form.getInputNode(first.split('.')[0] ?? ''))?.focus();
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={form.onSubmit((values) => void submit(values))}>
      <Stack maw={760} gap="xl">
        <Basics form={form} pools={pools} />
        <Question form={form} />
        <SecondQuestion form={form} />
        <Redundancy form={form} />
        <Screen form={form} />
        <Quality form={form} />
        <Warnings form={form} />
        <Pay form={form} />
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <Group>
          <Button type="submit" loading={isBusy}>
            {submitLabel}
          </Button>
          {form.isDirty() && (
            <Text size="sm" c="dimmed">
              {t('Not saved yet')}
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  );
}

function Section({ title, description, children }: { title: string; description: string; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Divider mb="lg" />
      <Title order={2} size="h3" id={id}>
        {title}
      </Title>
      <Text c="dimmed" mb="md">
        {description}
      </Text>
      <Stack gap="md">{children}</Stack>
    </section>
  );
}

function Basics({ form, pools }: { form: Form; pools: Props['pools'] }) {
  return (
    <Stack gap="md">
      <TextInput label={t('Name')} required maxLength={100} {...form.getInputProps('name')} />
      <Textarea
        label={t('Description')}
        description={t('What the project is for; members see it.')}
        autosize
        minRows={2}
        {...form.getInputProps('description')}
      />
      <Autocomplete
        label={t('Axis')}
        description={t('What “better” means here. Helpfulness and safety are best asked apart: two projects over one pool.')}
        data={['helpfulness', 'safety', 'overall', 'honesty']}
        maxLength={40}
        required
        {...form.getInputProps('axis')}
      />
      {pools && (
        <Select
          label={t('Pool')}
          description={t('A pool holds prompts and completions. Share one to ask another question about the same texts.')}
          data={[{ value: '', label: t('A new pool of its own') }, ...pools]}
          value={String(form.values.pool_id ?? '')}
          onChange={(value) => form.setFieldValue('pool_id', value ? Number(value) : null)}
          error={form.errors.pool_id}
          allowDeselect={false}
        />
      )}
    </Stack>
  );
}

function Question({ form }: { form: Form }) {
  return (
    <Section title={t('The question')} description={t('What labellers decide about the completions of a prompt, and on which scale.')}>
      <Labels
        form={form}
        name="intensity_labels"
        label={t('Intensity levels')}
        description={t('How strongly one is preferred, strongest first. With four levels the keys are 1 to 8.')}
        add={t('Add a weaker level')}
        fewest={1}
        most={4}
        maxLength={60}
      />
      <Switch
        label={t('Ties are allowed')}
        description={t('Without ties, labellers decide for one side, if only negligibly.')}
        {...form.getInputProps('ties_allowed', { type: 'checkbox' })}
      />
      <Select
        label={t('Completions at a time')}
        description={t('Rankings of three or more are stored as ratings of all their pairs.')}
        data={[{ value: '', label: t('Two: which is better') }, ...RANKING_SIZES]}
        {...form.getInputProps('ranking_size')}
        value={String(form.values.ranking_size ?? '')}
        onChange={(value) => form.setFieldValue('ranking_size', value ? Number(value) : null)}
        allowDeselect={false}
      />
    </Section>
  );
}

const RANKING_SIZES = [3, 4, 5, 6, 7, 8, 9].map((size) => ({ value: String(size), label: t('{{size}}, put in order', { size }) }));

function SecondQuestion({ form }: { form: Form }) {
  const { bucket_axis, bucket_labels } = form.values;
  // The question may be on before anything is written in it.
  const [isAsked, setAsked] = useState(bucket_axis !== '' || bucket_labels.length > 0);
  return (
    <Section
      title={t('Second question')}
      description={t('Asked on the same screen after the preference, such as whether the better one is safe, both are, or neither.')}
    >
      <Switch
        label={t('Ask a second question')}
        checked={isAsked}
        onChange={({ currentTarget: { checked } }) => {
          setAsked(checked);
          form.setFieldValue('bucket_axis', '');
          form.setFieldValue('bucket_labels', checked ? ['', ''] : []);
        }}
      />
      {isAsked && (
        <>
          <TextInput
            label={t('What it asks for')}
            description={t('In a word or two; labellers see it beside the answers.')}
            required
            maxLength={40}
            {...form.getInputProps('bucket_axis')}
          />
          <Labels
            form={form}
            name="bucket_labels"
            label={t('Its answers')}
            description={t('Two to six. A rating keeps the position of its answer: once there are ratings, rename answers or add one at the end, but move and remove none.')}
            add={t('Add an answer')}
            fewest={2}
            most={6}
            maxLength={80}
          />
        </>
      )}
    </Section>
  );
}

function Redundancy({ form }: { form: Form }) {
  return (
    <Section
      title={t('Ratings per comparison')}
      description={t('After the fewest, one more rating is asked for at a time until the answer is sure enough or the most are reached.')}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Whole form={form} name="min_ratings" label={t('Ratings, at least')} description={t('Each comparison gets this many: 1 to 50.')} min={1} max={50} />
        <Whole form={form} name="max_ratings" label={t('Ratings, at most')} description={t('More are asked for where labellers split: up to 50.')} min={1} max={50} />
        <Share
          form={form}
          name="stop_confidence"
          label={t('Sure enough at')}
          description={t('Probability of the leading answer, with the labellers’ reliabilities. 100 % always asks for the most.')}
          min={51}
        />
        <Share
          form={form}
          name="disagreement_limit"
          label={t('Disagreement limit')}
          description={t('Reviewers are warned when more pairs of ratings than this differ.')}
        />
      </SimpleGrid>
    </Section>
  );
}

function Screen({ form }: { form: Form }) {
  return (
    <Section title={t('Labelling')} description={t('What the labelling screen shows and asks for, and how long things are kept for a labeller.')}>
      <Switch
        label={t('Show how long completions are')}
        description={t('Off, so that length does not stand for quality.')}
        {...form.getInputProps('is_length_shown', { type: 'checkbox' })}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Whole
          form={form}
          name="justification_min_length"
          label={t('Justification, at least')}
          description={t('Up to 2,000 characters; 0 leaves it to the labeller.')}
          unit={t('characters')}
          max={2000}
          step={10}
        />
        <Whole
          form={form}
          name="grace_minutes"
          label={t('Answers can be changed for')}
          description={t('So long a labeller may take a rating back: up to 10,080 minutes, a week.')}
          unit={t('minutes')}
          max={10080}
          step={10}
        />
        <Whole
          form={form}
          name="lease_minutes"
          label={t('A pair is kept for')}
          description={t('So long a pair is one labeller’s before others may have it: 1 to 1,440 minutes.')}
          unit={t('minutes')}
          min={1}
          max={1440}
          step={5}
        />
        <Share
          form={form}
          name="quiz_pass_share"
          label={t('Quiz passed with')}
          description={t('Share of the guidelines’ quiz to be answered as they do before there is work; 0 % asks no quiz.')}
        />
      </SimpleGrid>
    </Section>
  );
}

function Quality({ form }: { form: Form }) {
  return (
    <Section
      title={t('Gold and repeats')}
      description={t('Pairs with a known answer, and pairs rated before with the sides swapped, are mixed in and look like all others.')}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Share form={form} name="gold_rate" label={t('Gold')} description={t('Of a labeller’s pairs, at most 50 %. Comparisons are made gold on their page.')} max={50} step={1} />
        <Share form={form} name="repeat_rate" label={t('Repeats')} description={t('Of a labeller’s pairs, at most 50 %.')} max={50} step={1} />
        <Share
          form={form}
          name="gold_floor"
          label={t('Pause below')}
          description={t('A labeller who agrees with less of the gold is paused, and reviewers are told. Empty: nobody is paused.')}
          placeholder={t('Nobody is paused')}
          isOptional
        />
        <Whole
          form={form}
          name="gold_window"
          label={t('Judged by the latest')}
          description={t('So many gold answers are looked at: 1 to 200. Before there are as many, nobody is paused.')}
          unit={t('gold answers')}
          min={1}
          max={200}
        />
      </SimpleGrid>
      <Switch
        label={t('Show labellers their agreement with gold')}
        description={t('As a share only: which pairs were gold is never told.')}
        {...form.getInputProps('is_gold_shown', { type: 'checkbox' })}
      />
    </Section>
  );
}

function Warnings({ form }: { form: Form }) {
  const inTag = Object.entries(form.errors).find(([field]) => field.startsWith('sensitive_tags.'))?.[1];
  return (
    <Section
      title={t('Content warnings')}
      description={t('Pairs of prompts with these tags are covered until the labeller uncovers them, and can be declined.')}
    >
      <TagsInput
        label={t('Sensitive tags')}
        description={t('As they stand in the prompts’ tags, such as violence; at most 50. Enter adds one.')}
        maxTags={50}
        clearable
        acceptValueOnBlur
        {...form.getInputProps('sensitive_tags')}
        error={form.errors.sensitive_tags ?? inTag}
      />
      <NumberInput
        label={t('Such pairs a day, at most')}
        description={t('For each labeller; empty is no limit.')}
        placeholder={t('No limit')}
        min={0}
        max={32767}
        allowDecimal={false}
        maw={372}
        {...form.getInputProps('sensitive_per_day')}
        value={form.values.sensitive_per_day ?? ''}
        onChange={(value) => form.setFieldValue('sensitive_per_day', value === '' ? null : Number(value))}
      />
    </Section>
  );
}

function Pay({ form }: { form: Form }) {
  const { pay_per_hour } = form.values;
  // As it is being typed: "12." is on its way to 12.50.
  const [typed, setTyped] = useState<string | number>(pay_per_hour === null ? '' : Number(pay_per_hour));
  return (
    <Section
      title={t('Pay')}
      description={t('What an hour of active time costs: the overview then shows what is spent and what is to come, and timesheets have amounts. Labellers do not see it.')}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NumberInput
          label={t('Pay per hour')}
          description={t('Empty: no amounts are shown.')}
          placeholder={t('Not set')}
          min={0.01}
          max={99999}
          decimalScale={2}
          styles={ALIGNED}
          {...form.getInputProps('pay_per_hour')}
          value={typed}
          onChange={(entered) => {
            setTyped(entered);
            form.setFieldValue('pay_per_hour', entered === '' ? null : Number(entered).toFixed(2));
          }}
        />
        <TextInput
          label={t('Currency')}
          description={t('Three letters, such as EUR, USD or INR.')}
          required={pay_per_hour !== null}
          maxLength={3}
          minLength={3}
          styles={ALIGNED}
          {...form.getInputProps('currency')}
          onChange={({ currentTarget: { value } }) => form.setFieldValue('currency', value.toUpperCase())}
        />
      </SimpleGrid>
    </Section>
  );
}

type NameOf<Kind> = { [Name in keyof Settings]: Settings[Name] extends Kind ? Name : never }[keyof Settings];

interface FieldProps<Name> {
  form: Form;
  name: Name;
  label: string;
  description: string;
}

interface WholeProps extends FieldProps<NameOf<number>> {
  unit?: string;
  min?: number;
  max: number;
  step?: number;
}

/** Fields beside each other stand on one line, however long their descriptions are. */
const ALIGNED = { root: { display: 'flex', flexDirection: 'column' }, description: { marginBottom: 5 }, wrapper: { marginTop: 'auto' } } as const;

/** A whole number with its unit. */
function Whole({ form, name, unit, min = 0, ...rest }: WholeProps) {
  return <NumberInput {...rest} min={min} allowDecimal={false} required suffix={unit && ` ${unit}`} styles={ALIGNED} {...form.getInputProps(name)} />;
}

interface ShareProps extends FieldProps<NameOf<number | null>> {
  min?: number;
  max?: number;
  step?: number;
  isOptional?: boolean;
  placeholder?: string;
}

/** A share, in per cent on the screen. */
function Share({ form, name, min = 0, max = 100, step = 5, isOptional = false, ...rest }: ShareProps) {
  const value = form.values[name];
  // As it is being typed: "2." is on its way to 2.5.
  const [typed, setTyped] = useState<string | number>(value === null ? '' : Number((value * 100).toFixed(2)));
  return (
    <NumberInput
      {...rest}
      {...form.getInputProps(name)}
      min={min}
      max={max}
      step={step}
      decimalScale={1}
      suffix={'\u00a0%'}
      styles={ALIGNED}
      required={!isOptional}
      value={typed}
      onChange={(entered) => {
        setTyped(entered);
        form.setFieldValue(name, entered === '' ? null : Number((Number(entered) / 100).toFixed(4)));
      }}
    />
  );
}

interface LabelsProps extends FieldProps<'intensity_labels' | 'bucket_labels'> {
  add: string;
  fewest: number;
  most: number;
  maxLength: number;
}

/** A list of labels, each in a field of its own. */
function Labels({ form, name, label, description, add, fewest, most, maxLength }: LabelsProps) {
  const labels = form.values[name];
  return (
    <Input.Wrapper label={label} description={description} error={form.errors[name]} role="group" aria-label={label}>
      <Stack gap="xs" mt="xs">
        {labels.map((_, position) => (
          <Group key={position} gap="xs" wrap="nowrap" align="flex-start">
            <TextInput
              aria-label={t('{{label}}: {{position}} of {{total}}', { label, position: position + 1, total: labels.length })}
              style={{ flex: 1 }}
              maxLength={maxLength}
              required
              {...form.getInputProps(`${name}.${position}`)}
            />
            <ActionIcon
              variant="subtle"
              color="red"
              size="input-sm"
              disabled={labels.length <= fewest}
              aria-label={t('Remove number {{position}}', { position: position + 1 })}
              onClick={() => form.removeListItem(name, position)}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        ))}
        {labels.length < most && (
          <Button variant="subtle" size="xs" leftSection={<IconPlus size={14} />} onClick={() => form.insertListItem(name, '')} w="fit-content">
            {add}
          </Button>
        )}
      </Stack>
    </Input.Wrapper>
  );
}
