import { Accordion, Anchor, Button, MultiSelect, NumberInput, SegmentedControl, Select, SimpleGrid, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { complain } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { Job, SetChoices } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import type { SpecForm } from './specForm';
import { languageName } from './specWords';

export interface NewSet {
  name: string;
  spec: SpecForm;
}

interface Props {
  form: UseFormReturnType<NewSet>;
  choices: SetChoices;
}

/** What nearly every set is chosen by. */
export function MainFields({ form, choices }: Props) {
  const { low_agreement } = form.values.spec;
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NumberInput
          label={t('Ratings a comparison needs')}
          description={t('More make sure labels, fewer make more of them.')}
          min={1}
          max={50}
          allowDecimal={false}
          {...form.getInputProps('spec.min_ratings')}
        />
        <NumberInput
          label={t('Least agreement, %')}
          description={t('Share of the ratings that give the verdict.')}
          min={0}
          max={100}
          step={5}
          {...form.getInputProps('spec.min_agreement')}
        />
      </SimpleGrid>
      <Either
        label={t('Comparisons with less agreement')}
        options={[
          ['drop', t('Leave out')],
          ['hard', t('Keep as hard ones')],
        ]}
        {...form.getInputProps('spec.low_agreement')}
      />
      {low_agreement === 'hard' && (
        <NumberInput
          label={t('Weight of hard ones')}
          description={t('Times their weight, 0 to 1.')}
          min={0}
          max={1}
          step={0.1}
          {...form.getInputProps('spec.hard_weight')}
        />
      )}
      <Either
        label={t('Comparisons without a preferred side')}
        options={[
          ['drop', t('Leave out')],
          ['soft', t('Keep as ties')],
        ]}
        {...form.getInputProps('spec.ties')}
      />
      <Select
        label={t('Least intensity')}
        description={t('Mean of those who preferred the chosen side.')}
        placeholder={t('any')}
        clearable
        clearButtonProps={{ 'aria-label': t('any') }}
        data={Array.from({ length: choices.n_intensities - 1 }, (_, at) => ({
          value: String(at + 2),
          label: choices.intensity_labels.at(-(at + 2)) ?? t('level {{intensity}}', { intensity: at + 2 }),
        }))}
        {...form.getInputProps('spec.min_intensity')}
        value={form.values.spec.min_intensity === '' ? null : String(form.values.spec.min_intensity)}
        onChange={(value) => form.setFieldValue('spec.min_intensity', value === null ? '' : Number(value))}
      />
    </Stack>
  );
}

/** Everything else, folded away at first. */
export function MoreFields({ form, choices, isOpen, setOpen, n }: Props & { isOpen: boolean; setOpen: (isOpen: boolean) => void; n: number }) {
  const { spec } = form.values;
  const kinds = [...new Set(choices.sources.map(({ kind }) => kind))];
  const many = (name: 'guideline_versions' | 'sources' | 'source_kinds' | 'languages' | 'tags' | 'without_tags' | 'labellers' | 'without_labellers', label: string, all: string, data: { value: string; label: string }[], description?: string) =>
    data.length > 0 && (
      <MultiSelect
        label={label}
        description={description}
        placeholder={spec[name].length === 0 ? all : undefined}
        data={data}
        searchable
        clearable
        clearButtonProps={{ 'aria-label': t('Clear: {{field}}', { field: label }) }}
        nothingFoundMessage={t('Nothing like it')}
        {...form.getInputProps(`spec.${name}`)}
      />
    );
  const withCount = (text: string, count: number) => `${text} (${number(count)})`;
  const people = choices.labellers.map((one) => ({
    value: String(one.id),
    label: withCount(one.is_excluded ? `${one.name}, ${t('excluded')}` : one.name, one.n_ratings),
  }));
  const tags = choices.tags.map(({ value, n: count }) => ({ value, label: withCount(value, count) }));
  return (
    <Accordion variant="contained" value={isOpen ? 'more' : null} onChange={(value) => setOpen(value === 'more')}>
      <Accordion.Item value="more">
        <Accordion.Control>
          {t('More filters')}
          {n > 0 && (
            <Text span c="dimmed" size="sm">
              {' '}
              {t('{{count}} chosen', { count: n })}
            </Text>
          )}
        </Accordion.Control>
        <Accordion.Panel>
          <Stack gap="lg">
            <Part title={t('Which ratings count')}>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <TextInput type="date" label={t('First day')} max={spec.rated_to || undefined} {...form.getInputProps('spec.rated_from')} />
                <TextInput type="date" label={t('Last day')} min={spec.rated_from || undefined} {...form.getInputProps('spec.rated_to')} />
              </SimpleGrid>
              {many(
                'guideline_versions', t('Guideline versions'), t('all'),
                choices.guideline_versions.map(({ number: version, n_ratings }) => ({ value: String(version), label: withCount(`v${version}`, n_ratings) })),
              )}
              {many('labellers', t('Labellers'), t('all'), people, t('Excluded labellers never count.'))}
              {many('without_labellers', t('Labellers left out'), t('nobody'), people)}
              <Switch
                label={t('Take comparisons that a reviewer has settled, by the verdict')}
                {...form.getInputProps('spec.include_adjudicated', { type: 'checkbox' })}
              />
            </Part>
            <Part title={t('Which comparisons')}>
              {many('languages', t('Languages'), t('all'), choices.languages.filter(({ value }) => value).map(({ value, n: count }) => ({ value, label: withCount(languageName(value), count) })))}
              {many('tags', t('Tags'), t('all'), tags, t('Prompts with any of them.'))}
              {many('without_tags', t('Tags left out'), t('none'), tags, t('Prompts with none of them.'))}
              {many('source_kinds', t('Kinds of sources'), t('all'), kinds.map((kind) => ({ value: kind, label: inWords(kind) })), t('Both completions are of these.'))}
              {many('sources', t('Sources'), t('all'), choices.sources.map(({ id, name, kind, n: count }) => ({ value: String(id), label: withCount(`${name}, ${inWords(kind)}`, count) })), t('Both completions are of these.'))}
            </Part>
            <Part title={t('The mix')}>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                {kinds.map((kind) => (
                  <NumberInput
                    key={kind}
                    label={t('At most of {{kind}}, %', { kind: inWords(kind) })}
                    placeholder={t('any')}
                    min={0}
                    max={100}
                    value={spec.max_source_share[kind] ?? ''}
                    onChange={(value) => form.setFieldValue('spec.max_source_share', { ...spec.max_source_share, [kind]: typeof value === 'number' ? value : '' })}
                  />
                ))}
                {choices.n_clusters > 0 && (
                  <NumberInput
                    label={t('At most of one cluster of prompts, %')}
                    placeholder={t('any')}
                    min={0}
                    max={100}
                    {...form.getInputProps('spec.max_cluster_share')}
                  />
                )}
                <NumberInput label={t('Comparisons at most')} placeholder={t('any')} min={1} allowDecimal={false} {...form.getInputProps('spec.max_comparisons')} />
              </SimpleGrid>
              <SortPrompts nClusters={choices.n_clusters} />
              {form.errors['spec.max_source_share'] && (
                <Text size="xs" c="var(--mantine-color-error)">
                  {form.errors['spec.max_source_share']}
                </Text>
              )}
            </Part>
            <Part title={t('AI ratings')}>
              <Select
                label={t('AI ratings that count')}
                description={t('Marked in every row, to train on only, and of judges that a researcher has allowed.')}
                allowDeselect={false}
                data={[
                  { value: 'none', label: t('none') },
                  { value: 'unrated', label: t('of what nobody has rated') },
                  { value: 'all', label: t('also of what people have rated too little') },
                ]}
                {...form.getInputProps('spec.ai.use')}
                error={form.errors['spec.ai']}
              />
              {spec.ai.use !== 'none' && (
                <SimpleGrid cols={{ base: 1, sm: 2 }}>
                  <NumberInput label={t('At most of the set, %')} min={0} max={100} {...form.getInputProps('spec.ai.max_share')} />
                  <NumberInput label={t('Weight')} description={t('A rating of a person weighs about 1.')} min={0} max={1} step={0.1} {...form.getInputProps('spec.ai.weight')} />
                </SimpleGrid>
              )}
            </Part>
            <Part title={t('How ratings become numbers')}>
              <Select
                label={t('Preference')}
                description={t('By reliability where labellers differ in care and have rated the same comparisons.')}
                allowDeselect={false}
                data={[
                  { value: 'votes', label: t('share of the votes') },
                  { value: 'posterior', label: t('votes by the reliability of their labellers') },
                ]}
                {...form.getInputProps('spec.preference')}
              />
              <Select
                label={t('Margins')}
                description={t('Only for training with margins.')}
                allowDeselect={false}
                data={[
                  { value: 'small', label: t('small, 0 to 1') },
                  { value: 'large', label: t('large, 0 to 3') },
                  { value: 'none', label: t('none') },
                ]}
                {...form.getInputProps('spec.margins')}
              />
              <Switch
                label={t('The stronger the preference, the more it weighs')}
                checked={spec.intensity_weighting === 'scaled_bt'}
                onChange={({ currentTarget }) => form.setFieldValue('spec.intensity_weighting', currentTarget.checked ? 'scaled_bt' : 'none')}
              />
              <Switch
                label={t('The more they agree, the more it weighs')}
                checked={spec.agreement_weighting === 'share'}
                onChange={({ currentTarget }) => form.setFieldValue('spec.agreement_weighting', currentTarget.checked ? 'share' : 'none')}
              />
            </Part>
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

/** Starts the job that finds prompts of one kind. */
function SortPrompts({ nClusters }: { nClusters: number }) {
  const { slug } = useProject();
  const sort = useMutation({ mutationFn: () => api.post<Job>(`projects/${slug}/comparison-sets/clusters`), onError: complain });
  return (
    <Text size="sm" c="dimmed" component="div">
      {nClusters > 0 ? t('The prompts are sorted into {{count}} clusters.', { count: nClusters }) : t('Prompts are not sorted into clusters of one kind yet.')}{' '}
      {sort.data ? (
        <Anchor component={Link} to={`/projects/${slug}/jobs/${sort.data.id}`} inherit>
          {t('They are being sorted: to the job')}
        </Anchor>
      ) : (
        <Button variant="subtle" size="compact-sm" loading={sort.isPending} onClick={() => sort.mutate()}>
          {nClusters > 0 ? t('Sort them anew') : t('Sort them')}
        </Button>
      )}
    </Text>
  );
}

interface EitherProps {
  label: string;
  options: [string, string][];
  value?: string;
  onChange?: (value: string) => void;
}

function Either({ label, options, value, onChange }: EitherProps) {
  return (
    <div>
      <Text size="sm" fw={600} mb={4} aria-hidden>
        {label}
      </Text>
      <SegmentedControl aria-label={label} data={options.map(([one, text]) => ({ value: one, label: text }))} value={value} onChange={onChange} />
    </div>
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
