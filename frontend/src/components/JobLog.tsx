import { Code, Group, ScrollArea, Switch, Text } from '@mantine/core';
import { useQueryClient, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api } from '@/lib/api/client';
import type { JobLogLine } from '@/lib/api/types';
import { clock } from '@/lib/format';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';
import { ErrorState, Loading } from './States';

interface Props {
  jobId: string;
  /** Whether more lines may come. */
  isLive: boolean;
}

/** At the side of the line: text in these colours is too weak on light ground. */
const COLOURS: Record<string, string> = {
  warning: 'var(--mantine-color-orange-filled)',
  error: 'var(--mantine-color-red-filled)',
};
const NEAR_END_PX = 24;
/** The server's page: so many lines at most in one answer, the last ones in the first. */
const PAGE = 500;

interface Log {
  lines: JobLogLine[];
  /** Whether there are lines before the first one here. */
  isCut: boolean;
}

/** What a job has said, growing while it runs. It follows the end until the reader scrolls away from it. */
export function JobLog({ jobId, isLive }: Props) {
  const queries = useQueryClient();
  const key = ['jobs', jobId, 'log'];
  const [isFollowing, setFollowing] = useState(true);
  const viewport = useRef<HTMLDivElement>(null);
  const log = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      let known = queries.getQueryData<Log>(key) ?? { lines: [], isCut: false };
      for (;;) {
        const after = known.lines.at(-1)?.seq ?? 0;
        const { lines } = await api.get<{ lines: JobLogLine[] }>(`jobs/${jobId}/log`, { after }, signal);
        const isFull = lines.length >= PAGE;
        if (!after) return { lines, isCut: isFull };
        if (lines.length > 0) known = { ...known, lines: [...known.lines, ...lines] };
        // A full page has more behind it, after a while in a hidden tab for instance.
        if (!isFull) return known;
      }
    },
    refetchInterval: isLive ? 1_500 : false,
  });
  // The last lines come with the end of the job.
  useEffect(() => {
    if (!isLive) void queries.invalidateQueries({ queryKey: ['jobs', jobId, 'log'] });
  }, [isLive, jobId, queries]);
  const lines = log.data?.lines ?? [];
  // Only the log's own box moves: scrollIntoView would drag the page along.
  useEffect(() => {
    const box = viewport.current;
    if (isFollowing && box) box.scrollTop = box.scrollHeight;
  }, [isFollowing, lines.length]);
  if (log.error && !log.data) return <ErrorState error={log.error} retry={() => void log.refetch()} />;
  if (!log.data) return <Loading rows={3} />;
  if (lines.length === 0) {
    return (
      <Text c="dimmed" size="sm">
        {isLive ? t('Nothing said yet.') : t('It said nothing.')}
      </Text>
    );
  }
  return (
    <>
      {isLive && (
        <Group justify="flex-end" mb={4}>
          <Switch size="xs" label={t('Follow')} checked={isFollowing} onChange={(event) => setFollowing(event.currentTarget.checked)} />
        </Group>
      )}
      {log.data.isCut && (
        <Text c="dimmed" size="sm" mb={4}>
          {t('Earlier lines are not shown.')}
        </Text>
      )}
      <ScrollArea.Autosize
        mah={360}
        viewportRef={viewport}
        viewportProps={{
          tabIndex: 0,
          role: 'log',
          'aria-label': t('Log'),
          onScroll: ({ currentTarget: box }) =>
            setFollowing(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX),
        }}
      >
        <Code block>
          {lines.map((line) => (
            <Text
              key={line.seq}
              span
              display="block"
              ff="monospace"
              fz="xs"
              pl={6}
              style={{
                whiteSpace: 'pre-wrap',
                overflowWrap: 'anywhere',
                borderInlineStart: `3px solid ${COLOURS[line.level] ?? 'transparent'}`,
              }}
            >
              <Text span c="dimmed" fz="xs" ff="monospace">
                {clock(line.at)}{' '}
              </Text>
              {line.level in COLOURS && <strong>{inWords(line.level)} </strong>}
              {line.message}
            </Text>
          ))}
        </Code>
      </ScrollArea.Autosize>
    </>
  );
}
