import { Alert, Anchor, Button, Card, Code, FileInput, Group, NumberInput, SegmentedControl, Select, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api, type Page } from '@/lib/api/client';
import type { BulkChoices, BulkScoring, ComparisonSet, RewardModel } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { bulkRequest, type BulkForm, type Source } from './bulk';

const ACCEPTED = '.parquet,.jsonl,.ndjson,.gz';
const EXAMPLES = ['{"prompt": "…", "completions": ["…", "…"]}', '{"prompt": "…", "completion": "…"}', '{"prompt": "…", "chosen": "…", "rejected": "…"}'];

/** Starts the scoring of a file of prompts and completions, and lists those so far. */
export function BulkScoringPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const rows = usePages<BulkScoring>(['projects', slug, 'bulk-scorings'], `projects/${slug}/bulk-scorings`, {}, 3_000);
  const start = useQuery({
    queryKey: ['projects', slug, 'bulk-scorings', 'to-start'],
    queryFn: async () => {
      const [choices, models, sets] = await Promise.all([
        api.get<BulkChoices>(`projects/${slug}/bulk-scorings/choices`),
        api.get<Page<RewardModel>>(`projects/${slug}/reward-models?page_size=200`),
        api.get<Page<ComparisonSet>>(`projects/${slug}/comparison-sets?page_size=200`),
      ]);
      return { choices, models: models.results, sets: sets.results.filter(({ frozen_at }) => frozen_at) };
    },
    enabled: mayTrain,
  });
  return (
    <>
      <PageHeader
        title={t('Score a file')}
        description={t('Rewards for prompts and completions from elsewhere: Parquet or JSONL of any size. It goes on where it was when a worker is lost.')}
      />
      {mayTrain && <Loaded query={start}>{(found) => <Start {...found} />}</Loaded>}
      <Title order={2} size="h4" mt="xl" mb="xs">
        {t('Scored so far')}
      </Title>
      <PagedTable
        label={t('Scored so far')}
        query={rows}
        rowKey={(row) => row.id}
        empty={
          <EmptyState title={t('No file has been scored yet')}>
            {mayTrain ? t('Choose one above. Its rows come back with a reward for each completion.') : t('Researchers start it; you will find the results here.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Input'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/bulk-scorings/${row.id}`}>
                {row.name}
              </Anchor>
            ),
          },
          { title: t('Model'), cell: (row) => `v${row.reward_model.version}` },
          {
            title: t('State'),
            cell: ({ job }) => (
              <>
                <StateBadge state={job?.is_cancelling ? 'cancelling' : (job?.state ?? 'queued')} />
                {job?.state === 'running' && (
                  <Text size="xs" c="dimmed">
                    {job.progress.message}
                  </Text>
                )}
              </>
            ),
          },
          { title: t('Rows'), align: 'right', cell: ({ counts, job }) => number(counts.rows ?? job?.progress.done) },
          { title: t('Completions'), align: 'right', cell: ({ counts }) => number(counts.completions) },
          { title: t('Bad rows'), align: 'right', cell: ({ counts }) => number(counts.rejected) },
          { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}

function Start({ choices, models, sets }: { choices: BulkChoices; models: RewardModel[]; sets: ComparisonSet[] }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const promoted = models.find(({ state }) => state === 'promoted');
  const usable = models.filter(({ state }) => state === 'promoted' || state === 'candidate' || state === 'retired');
  const [form, setForm] = useState<BulkForm>({
    source: 'file',
    file: null,
    url: '',
    set: sets[0] ? String(sets[0].id) : null,
    version: promoted ? String(promoted.version) : null,
    rowsPerShard: choices.rows_per_shard,
    maxBadPercent: 100 * choices.max_bad_share,
  });
  const change = (changed: Partial<BulkForm>) => setForm((before) => ({ ...before, ...changed }));
  const body = bulkRequest(form);
  const start = useMutation({
    mutationFn: () => api.post<BulkScoring>(`projects/${slug}/bulk-scorings`, body),
    onSuccess: async ({ id }) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'bulk-scorings'] });
      void navigate(`/projects/${slug}/bulk-scorings/${id}`);
    },
  });
  if (!promoted) {
    return (
      <Alert color="blue" title={t('No model is in use yet')}>
        {t('Promote a reward model first; the scorer serves what is promoted.')}{' '}
        <Anchor component={Link} to={`/projects/${slug}/reward-models`} underline="always">
          {t('Reward models')}
        </Anchor>
      </Alert>
    );
  }
  const sources: { value: Source; label: string }[] = [
    { value: 'file', label: t('Upload') },
    ...(sets.length > 0 ? [{ value: 'set' as const, label: t('Comparison set') }] : []),
    ...(choices.roots.length > 0 ? [{ value: 'url' as const, label: t('Place') }] : []),
  ];
  return (
    <Card withBorder radius="lg" padding="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate();
        }}
      >
        <Stack>
          {start.error && (
            <Alert color="red" role="alert">
              {start.error.message}
            </Alert>
          )}
          {sources.length > 1 && (
            <SegmentedControl
              w="fit-content"
              aria-label={t('Where the rows are')}
              data={sources}
              value={form.source}
              onChange={(value) => change({ source: value as Source })}
            />
          )}
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {form.source === 'file' && (
              <FileInput
                label={t('File')}
                description={t('Parquet, JSONL or JSONL.gz, {{size}} GiB at most', { size: number(choices.max_bytes / 1024 ** 3) })}
                placeholder={t('Choose a file')}
                accept={ACCEPTED}
                value={form.file}
                onChange={(file) => change({ file })}
                styles={{ placeholder: { color: 'var(--mantine-color-dimmed)' } }}
              />
            )}
            {form.source === 'set' && (
              <Select
                label={t('Comparison set')}
                description={t('Chosen and rejected of each comparison, in this order')}
                data={sets.map(({ id, number: n, name }) => ({ value: String(id), label: name ? `${n} · ${name}` : t('Comparison set {{number}}', { number: n }) }))}
                value={form.set}
                onChange={(set) => change({ set })}
                allowDeselect={false}
              />
            )}
            {form.source === 'url' && (
              <TextInput
                label={t('Place')}
                description={t('A file, directory or pattern below {{roots}}', { roots: choices.roots.join(', ') })}
                placeholder={`${choices.roots[0]?.replace(/\/$/, '')}/*.parquet`}
                maxLength={1000}
                value={form.url}
                onChange={(event) => change({ url: event.currentTarget.value })}
              />
            )}
            <Select
              label={t('Reward model')}
              description={t('Stays the same for all rows, whatever is promoted meanwhile')}
              data={usable.map(({ version, state }) => ({ value: String(version), label: state === 'promoted' ? t('v{{version}}, in use', { version }) : `v${version}` }))}
              value={form.version}
              onChange={(version) => change({ version })}
              allowDeselect={false}
            />
            <NumberInput
              label={t('Rows in an output file')}
              description={t('A lost worker has so many to do again at most')}
              min={1}
              max={1_000_000}
              allowDecimal={false}
              value={form.rowsPerShard}
              onChange={(value) => change({ rowsPerShard: Number(value) })}
            />
            <NumberInput
              label={t('Bad rows at most, in %')}
              description={t('With more of them the job fails at its end')}
              min={0}
              max={100}
              value={form.maxBadPercent}
              onChange={(value) => change({ maxBadPercent: Number(value) })}
            />
          </SimpleGrid>
          {form.source !== 'set' && (
            <div>
              <Text size="sm" c="dimmed" mb={4}>
                {t('A row is one of these; a prompt may also be a list of messages. Other columns are kept.')}
              </Text>
              <Code block>{EXAMPLES.join('\n')}</Code>
            </div>
          )}
          <Group>
            <Button type="submit" disabled={!body} loading={start.isPending}>
              {t('Score')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}
