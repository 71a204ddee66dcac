import { Anchor } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api, ApiError } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { bodyOf, EMPTY, FIELDS, missingIn, type Settling } from './settling';
import type { Walk } from './walk';
import { verdict } from './words';

/** The form in which a comparison is settled, and what happens then: within a walk the next one comes by itself. */
export function useSettling(comparison: ComparisonDetail, walk: Walk | null) {
  const { slug, intensity_labels, ties_allowed } = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [problem, setProblem] = useState('');
  const settled = comparison.adjudication;
  const form = useForm<Settling>({
    // Nothing is chosen beforehand: the verdict is the reviewer's, not the majority's.
    initialValues: settled
      ? { ...EMPTY, verdict: settled.verdict, intensity: settled.intensity, section: settled.guideline_section }
      : EMPTY,
    validate: (values) => missingIn(values, ties_allowed),
  });

  /** The comparison has left the queue: on to the next, with a way back in case it was the wrong key. */
  const goOn = async (said: string) => {
    const back = `/projects/${slug}/comparisons/${comparison.id}`;
    const id = `settled-${comparison.id}`;
    notifications.show({
      id,
      color: 'teal',
      autoClose: 12_000,
      message: (
        <>
          {said}{' '}
          {walk && (
            <Anchor
              component="button"
              type="button"
              size="sm"
              onClick={() => {
                notifications.hide(id);
                void navigate(walk.position ? walk.addressOf(comparison.id) : back);
              }}
            >
              {t('Go back to it')}
            </Anchor>
          )}
        </>
      ),
    });
    for (const what of ['comparisons', 'disagreements', 'guidelines']) {
      void queries.invalidateQueries({ queryKey: ['projects', slug, what] });
    }
    if (walk?.next) await navigate(walk.addressOf(walk.next));
  };

  const settle = useMutation({
    mutationFn: (values: Settling) =>
      api.post(`projects/${slug}/comparisons/${comparison.id}/adjudication`, bodyOf(values, ties_allowed)),
    onSuccess: async (_, values) => {
      const said = values.verdict ? verdict(intensity_labels, values.verdict, values.intensity) : '';
      await goOn(t('Settled: {{verdict}}.', { verdict: said }));
    },
    onError: (error) => {
      const about = error instanceof ApiError ? error.errors : [];
      form.setErrors(Object.fromEntries(about.map(({ field, message }) => [FIELDS[field] ?? field, message])));
      setProblem(error.message);
    },
  });
  const submit = () => {
    if (settle.isPending) return;
    setProblem('');
    const { hasErrors, errors } = form.validate();
    if (hasErrors) {
      const [field] = Object.keys(errors);
      if (field) form.getInputNode(field)?.focus();
    } else settle.mutate(form.getValues());
  };
  return { form, submit, goOn, problem, isPending: settle.isPending };
}

export type Settlement = ReturnType<typeof useSettling>;
