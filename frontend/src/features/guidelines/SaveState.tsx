import { Alert, Button, CopyButton, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import type { GuidelineDraft, GuidelineVersion } from '@/lib/api/types';
import { dateAndTime } from '@/lib/format';
import { locale, t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { CompareVersions } from './CompareVersions';
import type { SaverSnapshot } from './saver';

/** "12:03" for today, with the day for what is older. */
function timeOf(iso: string): string {
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? at.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' }) : dateAndTime(iso);
}

/** Whether what is on the screen is on the server: "Saved 12:03". */
export function SaveState({ saved, onRetry }: { saved: SaverSnapshot; onRetry: () => void }) {
  const { state, savedAt, savedBy, problem } = saved;
  return (
    <Group gap="xs">
      <Text size="sm" role="status" c={state === 'failed' ? 'var(--mantine-color-error)' : 'dimmed'}>
        {state === 'failed' && t('Not saved: {{problem}}', { problem })}
        {(state === 'waiting' || state === 'saving') && t('Saving …')}
        {state === 'conflict' && t('Not saved')}
        {state === 'clean' &&
          (savedAt
            ? savedBy
              ? t('Saved {{time}} by {{name}}', { time: timeOf(savedAt), name: savedBy })
              : t('Saved {{time}}', { time: timeOf(savedAt) })
            : t('Nothing is written yet: this is the version in force.'))}
      </Text>
      {state === 'failed' && (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          {t('Try again')}
        </Button>
      )}
    </Group>
  );
}

interface ConflictProps {
  theirs: GuidelineDraft | null;
  mine: GuidelineVersion;
  onTheirs: () => void;
  onMine: () => void;
}

/** Somebody else has saved the draft while this one was written. */
export function Conflict({ theirs, mine, onTheirs, onMine }: ConflictProps) {
  const { intensity_labels } = useProject();
  const [isComparing, setComparing] = useState(false);
  const title = theirs
    ? t('{{name}} has saved the draft meanwhile, at {{time}}', { name: theirs.updated_by || t('Somebody'), time: timeOf(theirs.updated_at) })
    : t('The draft was published or discarded meanwhile');
  return (
    <Alert color="yellow" role="alert" mb="md" title={title} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          {theirs
            ? t('Nothing of yours is saved since. Load theirs and write yours into it, or keep yours in place of theirs.')
            : t('Nothing of yours is saved since. Load what is there now, or keep yours as a new draft.')}
        </Text>
        <Group gap="sm">
          <Button size="xs" variant="default" onClick={onTheirs}>
            {theirs ? t('Load theirs') : t('Load what is there')}
          </Button>
          <Button size="xs" variant="default" onClick={onMine}>
            {t('Keep mine')}
          </Button>
          <CopyButton value={mine.body}>
            {({ copied, copy }) => (
              <Button size="xs" variant="default" onClick={copy}>
                {copied ? t('Copied') : t('Copy my text')}
              </Button>
            )}
          </CopyButton>
          {theirs && (
            <Button size="xs" variant="default" aria-expanded={isComparing} onClick={() => setComparing(!isComparing)}>
              {t('What differs')}
            </Button>
          )}
        </Group>
        {theirs && isComparing && (
          <CompareVersions before={{ ...mine, ...theirs, number: mine.number }} after={mine} labels={intensity_labels} title={t('From theirs to mine')} />
        )}
      </Stack>
    </Alert>
  );
}
