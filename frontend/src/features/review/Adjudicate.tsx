import { Alert, Card, Checkbox, Select, Stack, Text, Textarea, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { KeyboardEvent } from 'react';
import { api } from '@/lib/api/client';
import type { ComparisonDetail, GuidelineVersion } from '@/lib/api/types';
import { headingsOf } from '@/lib/headings';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { canBecome } from './settling';
import type { Settlement } from './useSettling';

/** Escape goes back to the keys, Ctrl+Enter settles. */
function onKeyInField(event: KeyboardEvent<HTMLTextAreaElement>, submit: () => void) {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    submit();
  }
  if (event.key !== 'Escape') return;
  event.stopPropagation();
  event.currentTarget.blur();
}

/** Why a verdict is as it is, and what follows from it. The verdict itself is chosen in the bar below the page. */
export function Adjudicate({ comparison, settlement }: { comparison: ComparisonDetail; settlement: Settlement }) {
  const { ties_allowed } = useProject();
  const { form, submit, problem } = settlement;
  const { values } = form;
  const can = canBecome(values, ties_allowed);
  const writesGuidelines = useMay('guidelines');
  const isGold = comparison.is_gold;
  const keys = { onKeyDown: (event: KeyboardEvent<HTMLTextAreaElement>) => onKeyInField(event, submit) };
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Settle')}>
      <Title order={2} size="h4">
        {comparison.adjudication ? t('Settle it anew') : t('Settle it')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Your verdict stands for the ratings in training; they are kept. A comparison that should not have been asked is not valid and stays out.')}
      </Text>
      <Stack gap="sm" maw={860}>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <Textarea
          label={t('Why')}
          description={t('Escape goes back to the keys, Ctrl+Enter settles.')}
          autosize
          minRows={2}
          maxLength={5000}
          {...keys}
          {...form.getInputProps('note')}
        />
        <SectionSelect settlement={settlement} />
        <Checkbox
          label={t('Make it gold')}
          description={
            isGold
              ? t('It is gold already.')
              : t('The verdict becomes its known answer: it is mixed into every labeller’s work and leaves training.')
          }
          disabled={!can.gold || isGold}
          {...form.getInputProps('isGold', { type: 'checkbox' })}
        />
        {writesGuidelines && (
          <>
            <Checkbox
              label={t('Make it a worked example')}
              description={t('It goes into the draft of the next guidelines, with the verdict and your reason.')}
              disabled={!can.example}
              {...form.getInputProps('isExample', { type: 'checkbox' })}
            />
            {values.isExample && can.example && (
              <Stack gap="xs" ps={32}>
                <Textarea
                  label={t('Reason in the guidelines')}
                  description={t('The reason, as somebody new would understand it.')}
                  autosize
                  withAsterisk
                  maxLength={5000}
                  {...keys}
                  {...form.getInputProps('rationale')}
                />
                <Checkbox label={t('Ask this in the quiz')} {...form.getInputProps('isInQuiz', { type: 'checkbox' })} />
              </Stack>
            )}
            <Checkbox
              label={t('Note for the next guidelines')}
              description={t('It waits beside the text for whoever writes them.')}
              {...form.getInputProps('hasGuidelineNote', { type: 'checkbox' })}
            />
            {values.hasGuidelineNote && (
              <Textarea
                ps={32}
                label={t('What they should say')}
                autosize
                minRows={2}
                withAsterisk
                maxLength={5000}
                {...keys}
                {...form.getInputProps('guidelineNote')}
              />
            )}
          </>
        )}
      </Stack>
    </Card>
  );
}

/** The heading of the guidelines that decides it. */
function SectionSelect({ settlement: { form } }: { settlement: Settlement }) {
  const { slug } = useProject();
  const current = useQuery({
    queryKey: ['projects', slug, 'guidelines', 'current'],
    queryFn: () => api.get<GuidelineVersion>(`projects/${slug}/guidelines/current`),
    staleTime: 60_000,
  });
  const headings = current.data ? headingsOf(current.data.body) : [];
  // Settled under an older version: its heading stays to be chosen.
  const offered = [...new Set([...headings, ...(form.values.section ? [form.values.section] : [])])];
  if (offered.length === 0) return null;
  return (
    <Select
      label={t('Section of the guidelines that decides it')}
      placeholder={t('None')}
      data={offered}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t('No section') }}
      value={form.values.section || null}
      error={form.errors.section}
      onChange={(section) => form.setFieldValue('section', section ?? '')}
    />
  );
}
