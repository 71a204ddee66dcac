import { Alert, Badge, Group, Progress, Stack, Text } from '@mantine/core';
import type { Job, JobState } from '@/lib/api/types';
import { duration, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { jobAdvice } from '@/lib/jobAdvice';
import { inWords } from '@/lib/words';

const COLOURS: Record<JobState, string> = {
  queued: 'gray',
  running: 'blue',
  succeeded: 'teal',
  failed: 'red',
  cancelled: 'orange',
};

/** A state by its code. */
export function StateBadge({ state, colour }: { state: string; colour?: string }) {
  return (
    // The text in the colour of text: tinted text on tinted ground falls short of 4.5 : 1.
    <Badge variant="light" color={colour ?? COLOURS[state as JobState] ?? 'gray'} c="var(--mantine-color-text)" tt="none" miw="max-content">
      {inWords(state)}
    </Badge>
  );
}

/** How far a job is, or why it failed. */
export function JobProgress({ job }: { job: Job }) {
  const { done, total, unit, message, fraction } = job.progress;
  const isRunning = job.state === 'running';
  const value = job.state === 'succeeded' ? 100 : (fraction ?? 0) * 100;
  const steps = total
    ? t('{{done}} of {{total}} {{unit}}', { done: number(done), total: number(total), unit: inWords(unit) })
    : done
      ? `${number(done)} ${inWords(unit)}`
      : '';
  return (
    <Stack gap={6}>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <StateBadge state={job.is_cancelling ? 'cancelling' : job.state} colour={job.is_cancelling ? 'orange' : undefined} />
          <Text size="sm">{message || (job.state === 'queued' ? t('Waiting for a worker') : '')}</Text>
        </Group>
        <Text size="sm" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>
          {[steps, job.started_at && duration(job.started_at, job.finished_at)].filter(Boolean).join(' · ')}
        </Text>
      </Group>
      <Progress
        value={isRunning && fraction === null ? 100 : value}
        animated={isRunning}
        color={COLOURS[job.state]}
        aria-label={t('Progress of {{job}}', { job: job.title })}
      />
      {job.error && (
        <Alert color="red" title={t('It failed')} role="alert">
          {job.error.message}
          <Text size="sm" mt={4}>
            {jobAdvice(job.error.code)}
          </Text>
        </Alert>
      )}
    </Stack>
  );
}
