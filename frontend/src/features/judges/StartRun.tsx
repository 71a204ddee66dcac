import { Alert, Button, Card, Group, NumberInput, SegmentedControl, Select, SimpleGrid, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { api } from '@/lib/api/client';
import type { JudgeEstimate, JudgeRun, JudgeScope } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { SCOPES } from './words';

const PATH = 'path';

interface RunForm {
  version_id: string | null;
  /** An endpoint's name, or "path" for a model on the worker. */
  where: string | null;
  path: string;
  scope: JudgeScope;
  n_comparisons: number | '';
  n_principles: number | '';
  max_tokens: number | '';
  chain_of_thought: boolean;
}

/** Starts a run of a judge, with what it will take. */
export function StartRun({ versions }: { versions: { id: number; name: string }[] }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const choices = useQuery({
    queryKey: ['projects', slug, 'judge-runs', 'choices'],
    queryFn: () => api.get<{ endpoints: { name: string; model: string }[] }>(`projects/${slug}/judge-runs/choices`),
  });
  const endpoints = choices.data?.endpoints ?? [];
  const form = useForm<RunForm>({
    initialValues: {
      version_id: String(versions[0]?.id ?? ''),
      where: null,
      path: '',
      scope: 'rated',
      n_comparisons: 200,
      n_principles: 1,
      max_tokens: '',
      chain_of_thought: false,
    },
  });
  const { scope, n_comparisons, n_principles, chain_of_thought, path, version_id } = form.values;
  const where = form.values.where ?? (endpoints[0]?.name ? `endpoint:${endpoints[0].name}` : PATH);
  const judge = where === PATH ? `path:${path.trim()}` : where;
  const [asked] = useDebouncedValue(JSON.stringify({ scope, n_comparisons: n_comparisons || 1, n_principles: n_principles || 1, chain_of_thought }), 300);
  const estimate = useQuery({
    queryKey: ['projects', slug, 'judge-runs', 'estimate', asked],
    queryFn: () => api.get<JudgeEstimate>(`projects/${slug}/judge-runs/estimate`, JSON.parse(asked) as Record<string, string | number | boolean>),
    placeholderData: (previous) => previous,
  });
  const start = useMutation({
    mutationFn: () =>
      api.post<JudgeRun>(`projects/${slug}/judge-runs`, {
        version_id: Number(version_id),
        judge,
        scope,
        chain_of_thought,
        n_comparisons: n_comparisons || 1,
        n_principles: n_principles || 1,
        max_tokens: form.values.max_tokens || null,
      }),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'judge-runs'] });
      void navigate(`/projects/${slug}/judge-runs/${id}`);
    },
    onError: (error) => showErrors(form, error),
  });
  return (
    <Card withBorder radius="lg" padding="lg" component="section" aria-label={t('Have comparisons judged')}>
      <Title order={2} size="h4" mb="md">
        {t('Have comparisons judged')}
      </Title>
      <form onSubmit={form.onSubmit(() => start.mutate())}>
        <Stack>
          {start.error && (
            <Alert color="red" role="alert">
              {start.error.message}
            </Alert>
          )}
          <SegmentedControl
            aria-label={t('Which comparisons')}
            data={SCOPES}
            w={{ base: '100%', sm: 'fit-content' }}
            {...form.getInputProps('scope')}
          />
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select
              label={t('Constitution')}
              allowDeselect={false}
              data={versions.map(({ id, name }) => ({ value: String(id), label: name }))}
              {...form.getInputProps('version_id')}
            />
            <Select
              label={t('Judge')}
              description={t('Endpoints are set by the operator (LM_ENDPOINTS).')}
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              allowDeselect={false}
              data={[
                ...endpoints.map(({ name, model }) => ({ value: `endpoint:${name}`, label: `${name} · ${model}` })),
                { value: PATH, label: t('a model on the worker') },
              ]}
              value={where}
              onChange={(value) => form.setFieldValue('where', value)}
              error={where === PATH ? undefined : form.errors.judge}
            />
            {where === PATH && (
              <TextInput
                label={t('Directory of the model')}
                description={t('On the worker, with a chat model’s weights and tokenizer.')}
                inputWrapperOrder={['label', 'input', 'description', 'error']}
                placeholder="/models/judge"
                maxLength={490}
                required
                {...form.getInputProps('path')}
                error={form.errors.judge}
              />
            )}
            <NumberInput label={t('Comparisons at most')} min={1} max={100_000} allowDecimal={false} {...form.getInputProps('n_comparisons')} />
            <NumberInput
              label={t('Principles for each')}
              description={t('Drawn by their weights; each is a judgement of its own.')}
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              min={1}
              max={50}
              allowDecimal={false}
              {...form.getInputProps('n_principles')}
            />
            <NumberInput
              label={t('Tokens at most')}
              description={t('It stops when they are used up, and keeps what it has.')}
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              placeholder={t('any')}
              min={1}
              allowDecimal={false}
              thousandSeparator=" "
              {...form.getInputProps('max_tokens')}
            />
          </SimpleGrid>
          <Switch
            label={t('Have it reason first')}
            description={t('Twice the questions. Its probabilities are then clamped to 40–60 %, since reasons make it too sure.')}
            {...form.getInputProps('chain_of_thought', { type: 'checkbox' })}
          />
          <Group>
            <Button type="submit" loading={start.isPending} disabled={estimate.data?.n_comparisons === 0 || (where === PATH && path.trim() === '')}>
              {t('Start')}
            </Button>
            <Text size="sm" c="dimmed" aria-live="polite">
              {estimate.data && estimateInWords(estimate.data)}
            </Text>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function estimateInWords({ n_available, n_comparisons, n_judgements, n_questions, n_tokens }: JudgeEstimate): string {
  if (n_available === 0) return t('There is no such comparison to judge.');
  return t('{{n}} of {{available}}: {{judgements}} judgements in {{questions}} questions (both orders), about {{tokens}} tokens.', {
    n: t('{{count}} comparisons', { count: n_comparisons }),
    available: number(n_available),
    judgements: number(n_judgements),
    questions: number(n_questions),
    tokens: number(n_tokens),
  });
}
