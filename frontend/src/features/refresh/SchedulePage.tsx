import { Alert, Button, Card, Checkbox, Group, NumberInput, Stack, Switch, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { Filled } from '@/components/Filled';
import { tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api, ApiError } from '@/lib/api/client';
import type { GenerationChoices, RefreshSchedule } from '@/lib/api/types';
import { dateAndTime, number } from '@/lib/format';
import { partOf } from '@/lib/formPart';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { configOf, withFoldsOf, type Section } from './form';
import { Preview } from './Preview';
import { fieldIn, scheduleForm, scheduleRequest, triggersOf, type ScheduleForm } from './schedule';
import { RefreshFields } from './Sections';
import { useChoices, usePreviews } from './usePreviews';

/** When refreshes start by themselves, and with what. */
export function SchedulePage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const schedule = useSchedule();
  const choices = useChoices(mayTrain);
  return (
    <>
      <PageHeader
        title={t('Schedule of refreshes')}
        description={t('A refresh starts by itself when one of these is true and none is under way.')}
        actions={
          <Button variant="default" component={Link} to={`/projects/${slug}/refreshes`}>
            {t('All refreshes')}
          </Button>
        }
      />
      <Loaded query={schedule}>
        {(found) => (
          <Stack maw={760} gap="lg">
            <Status schedule={found} />
            {mayTrain ? (
              <Loaded query={choices}>{(options) => <Form schedule={found} choices={options} />}</Loaded>
            ) : (
              <Text c="dimmed">{t('Researchers change the schedule.')}</Text>
            )}
          </Stack>
        )}
      </Loaded>
    </>
  );
}

export function useSchedule() {
  const { slug } = useProject();
  return useQuery({
    queryKey: ['projects', slug, 'refreshes', 'schedule'],
    queryFn: () => api.get<RefreshSchedule>(`projects/${slug}/refreshes/schedule`),
  });
}

/** What the schedule is at: on or off, due or not, and what it said last. */
function Status({ schedule }: { schedule: RefreshSchedule }) {
  const { is_enabled, due, next_at, ratings_since, last_reason, checked_at } = schedule;
  const triggers = triggersOf(schedule);
  return (
    <Card component="section" withBorder radius="md" aria-label={t('State of the schedule')}>
      <Stack gap={4}>
        <Text fw={600}>
          {!is_enabled
            ? t('Off: refreshes start by hand alone')
            : due
              ? t('One is due: {{reason}}', { reason: due })
              : triggers
                ? t('On: {{triggers}}', { triggers })
                : t('On, but nothing starts one: choose when below')}
        </Text>
        <Text size="sm" c="dimmed">
          {[
            t('{{count}} new ratings since the last refresh began.', { count: ratings_since }),
            is_enabled && next_at && t('By its days the next one starts {{when}}.', { when: dateAndTime(next_at) }),
          ]
            .filter(Boolean)
            .join(' ')}
        </Text>
        {checked_at && (
          <Text size="sm" c="dimmed">
            <Filled text={t('Looked {{when}}.')} when={<TimeAgo at={checked_at} />} /> {last_reason}
          </Text>
        )}
      </Stack>
    </Card>
  );
}

function Form({ schedule, choices }: { schedule: RefreshSchedule; choices: GenerationChoices }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [open, setOpen] = useState<Section[]>([]);
  const form = useForm<ScheduleForm>({ initialValues: scheduleForm(schedule, choices) });
  const previews = usePreviews(configOf(form.values.config, schedule.config));
  const save = useMutation({
    mutationFn: () => api.put<RefreshSchedule>(`projects/${slug}/refreshes/schedule`, scheduleRequest(form.values, schedule)),
    onSuccess: async (saved) => {
      queries.setQueryData(['projects', slug, 'refreshes', 'schedule'], saved);
      form.resetDirty();
      tell(saved.is_enabled ? t('Saved: refreshes start by themselves.') : t('Saved: refreshes start by hand alone.'));
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
    },
    onError: (error) => {
      if (!(error instanceof ApiError)) throw error;
      const errors = error.errors.map(({ field, message }) => ({ field: fieldIn(field), message }));
      form.setErrors(Object.fromEntries(errors.filter(({ field }) => field).map(({ field, message }) => [field, message])));
      setOpen(withFoldsOf(open, errors.map(({ field }) => ({ field: field.replace(/^config\./, '') }))));
    },
  });
  const { is_enabled, byRatings, byDays } = form.values;
  return (
    <form onSubmit={form.onSubmit(() => save.mutate())}>
      <Stack gap="lg">
        <Switch size="md" label={t('Start refreshes by themselves')} {...form.getInputProps('is_enabled', { type: 'checkbox' })} />
        <Stack gap="sm" component="section" aria-labelledby="when">
          <Title order={2} size="h4" id="when">
            {t('When')}
          </Title>
          <Checkbox
            label={t('On drift')}
            description={t('Looks once a day, and after each generation, whether the policy has moved on.')}
            {...form.getInputProps('on_drift', { type: 'checkbox' })}
          />
          <Group gap="sm" align="flex-start">
            <Checkbox label={t('After so many new ratings')} mt={8} {...form.getInputProps('byRatings', { type: 'checkbox' })} />
            <NumberInput
              aria-label={t('New ratings')}
              w={110}
              min={1}
              allowDecimal={false}
              thousandSeparator=" "
              disabled={!byRatings}
              {...form.getInputProps('new_ratings')}
            />
            <Text size="sm" c="dimmed" mt={8}>
              {t('{{since}} by now', { since: number(schedule.ratings_since) })}
            </Text>
          </Group>
          <Group gap="sm" align="flex-start">
            <Checkbox label={t('Every so many days')} mt={8} {...form.getInputProps('byDays', { type: 'checkbox' })} />
            <NumberInput
              aria-label={t('Days')}
              w={110}
              min={1}
              max={365}
              allowDecimal={false}
              disabled={!byDays}
              {...form.getInputProps('every_days')}
            />
          </Group>
        </Stack>
        <Stack component="section" aria-labelledby="with">
          <Title order={2} size="h4" id="with">
            {t('With what')}
          </Title>
          <Preview {...previews} />
          <RefreshFields part={partOf(form, 'config', form.values.config)} choices={choices} open={open} setOpen={setOpen} />
        </Stack>
        {save.error && !(save.error instanceof ApiError && save.error.errors.length > 0) && (
          <Alert color="red" title={t('It was not saved')} role="alert">
            {save.error.message}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={save.isPending}>
            {is_enabled ? t('Save') : t('Save, switched off')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
