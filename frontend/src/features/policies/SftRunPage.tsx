import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { JobActions } from '@/components/JobActions';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { StartedWith } from '@/components/StartedWith';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { SftRun } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { isActive, learnsFrom, learnt, leftOutWords, type Learnt } from './sft';

/** How far a fine-tuning is, whether the model learnt, and what to do with it. */
export function SftRunPage() {
  const { slug } = useProject();
  const { number: n = '' } = useParams();
  const mayTrain = useMay('train');
  const key = ['projects', slug, 'sft-runs', n];
  const run = useQuery({
    queryKey: key,
    queryFn: () => api.get<SftRun>(`projects/${slug}/sft-runs/${n}`),
    refetchInterval: ({ state: { data } }) => (data && isActive(data) ? 2_000 : false),
  });
  return (
    <Loaded query={run}>
      {(found) => (
        <>
          <PageHeader
            title={t('SFT run {{number}}', { number: found.number })}
            description={
              <Group gap="xs">
                <StateBadge state={found.job?.is_cancelling ? 'cancelling' : found.state} />
                <Text span c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                  {t('{{model}} learns from {{examples}}', { model: found.base_name, examples: learnsFrom(found.options) })}
                </Text>
              </Group>
            }
            actions={mayTrain && found.job && <JobActions job={found.job} reload={key} />}
          />
          <Stack gap="lg">
            {found.job && found.state !== 'succeeded' && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${found.job.id}`} size="sm" mt="xs">
                  {t('Its job and log')}
                </Anchor>
              </Card>
            )}
            {found.report && <Verdict verdict={learnt(found)} n={found.report.n_heldout ?? 0} />}
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              <CountCard label={t('Examples')} value={found.counts.n_examples} />
              <CountCard label={t('Tokens, about')} value={found.counts.n_tokens} />
              <CountCard label={t('Held-out examples')} value={found.counts.n_heldout} />
              <CountCard
                label={t('Held-out loss, before and after')}
                value={found.report?.heldout_after === undefined ? '–' : `${number(found.report.heldout_before, 3)} → ${number(found.report.heldout_after, 3)}`}
                hint={t('nats per token')}
              />
            </SimpleGrid>
            {leftOutWords(found.counts) && <Text size="sm">{leftOutWords(found.counts)}</Text>}
            {found.report && found.report.n_truncated > 0 && (
              <Text size="sm">{t('{{count}} examples were longer than a row and were cut.', { count: found.report.n_truncated })}</Text>
            )}
            {found.checkpoint && <Kept checkpoint={found.checkpoint} />}
            <StartedWith rows={optionRows(found)} />
          </Stack>
        </>
      )}
    </Loaded>
  );
}

const VERDICTS: Record<Learnt, { colour: string; text: string }> = {
  learnt: { colour: 'teal', text: t('It learnt: held-out completions are more probable than before.') },
  worse: { colour: 'yellow', text: t('Held-out completions are no more probable than before: it learnt its examples by heart, or nothing. Try fewer passes or a lower learning rate.') },
  unknown: { colour: 'yellow', text: t('No example was held out, so it cannot be seen whether it learnt.') },
};

/** Fewer held-out examples say little of a small difference. */
const FEW = 20;

function Verdict({ verdict, n }: { verdict: Learnt; n: number }) {
  const { colour, text } = VERDICTS[verdict];
  return (
    <Alert color={colour} variant="light">
      {text} {verdict !== 'unknown' && n < FEW && t('It is measured on few examples: a small difference may be chance.')}
    </Alert>
  );
}

function Kept({ checkpoint: { id, name } }: { checkpoint: { id: number; name: string } }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  return (
    <Card withBorder radius="md">
      <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
        {t('Kept as {{name}}', { name })}
      </Text>
      <Group gap={4}>
        <Text size="sm">{t('As the base model of a reward model or a refresh: {{name}}', { name: `checkpoint:${id}` })}</Text>
        <Copy value={`checkpoint:${id}`} />
      </Group>
      {mayTrain && (
        <Group mt="sm">
          <Button component={Link} to={`/projects/${slug}/policy-runs/new`} variant="default">
            {t('Optimise a policy from it')}
          </Button>
          <Button component={Link} to={`/projects/${slug}/generations`} variant="default">
            {t('Have it write completions')}
          </Button>
        </Group>
      )}
    </Card>
  );
}

function optionRows({ options, base_name, report, created_by }: SftRun): [string, string][] {
  const rows: [string, string][] = [
    [t('Base model'), base_name],
    [t('Learns from'), learnsFrom(options)],
    [t('Passes over the examples'), number(options.epochs)],
    [t('Learning rate'), String(options.learning_rate)],
    [t('Longest example, tokens'), number(options.max_length)],
    [t('Rows per update'), number(options.rows_per_step)],
    [t('Rank of LoRA'), number(options.lora_rank)],
    [t('Seed'), String(options.seed)],
  ];
  if (report) rows.push([t('Updates'), number(report.n_steps)], [t('Training loss, first and last'), `${number(report.first_loss, 3)} → ${number(report.last_loss, 3)}`]);
  if (created_by) rows.push([t('Started by'), created_by]);
  return rows;
}
