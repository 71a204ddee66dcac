import { Badge, Card, Group, SegmentedControl, Stack, Text, Title, UnstyledButton, VisuallyHidden } from '@mantine/core';
import { useMemo, useState, type ReactNode } from 'react';
import { verdictOfExample } from '@/components/GuidelinesText';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import classes from './Compare.module.css';
import {
  isSameVersion, isUnchanged, pairExamples, textBlocks, wordParts, type Block, type Change, type ExamplePair, type Grain, type Part,
} from './differences';

/** Unchanged lines that stay around a change. */
const CONTEXT = 3;

const SIGNS: Record<Change, string> = { same: '', added: '+', removed: '−' };

/** The words of a passage; what was added and removed is marked, and said to a screen reader. */
function Words({ parts }: { parts: Part[] }) {
  return (
    <span className={classes.words} dir="auto">
      {parts.map(({ change, text }, at) => (
        <Marked key={at} change={change}>
          {text}
        </Marked>
      ))}
    </span>
  );
}

function Marked({ change, children }: { change: Change; children: ReactNode }) {
  if (change === 'same') return <>{children}</>;
  const Tag = change === 'added' ? 'ins' : 'del';
  return (
    <Tag>
      <VisuallyHidden component="span">{change === 'added' ? t('[added:') : t('[removed:')} </VisuallyHidden>
      {children}
      <VisuallyHidden component="span">]</VisuallyHidden>
    </Tag>
  );
}

function Lines({ change, lines }: { change: Change; lines: string[] }) {
  return lines.map((line, at) => (
    <div key={at} className={classes.line} data-change={change} data-sign={SIGNS[change]}>
      <span className={classes.words} dir="auto">
        {/* An empty line has its height. */}
        <Marked change={change}>{line || '\u00a0'}</Marked>
      </span>
    </div>
  ));
}

/** Lines that did not change: those far from any change are folded away. */
function Unchanged({ lines, isFirst, isLast }: { lines: string[]; isFirst: boolean; isLast: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const head = isFirst ? 0 : CONTEXT;
  const tail = isLast ? 0 : CONTEXT;
  const n_folded = lines.length - head - tail;
  if (isOpen || n_folded <= 2) return <Lines change="same" lines={lines} />;
  return (
    <>
      <Lines change="same" lines={lines.slice(0, head)} />
      <UnstyledButton className={classes.fold} onClick={() => setOpen(true)}>
        {t('Show {{count}} unchanged lines', { count: n_folded })}
      </UnstyledButton>
      <Lines change="same" lines={lines.slice(lines.length - tail)} />
    </>
  );
}

function TextDifference({ blocks }: { blocks: Block[] }) {
  return (
    <div className={classes.text}>
      {blocks.map((block, at) => {
        if (block.change === 'words') {
          return (
            <div key={at} className={classes.line} data-sign="±">
              <Words parts={block.parts} />
            </div>
          );
        }
        if (block.change === 'same') {
          return <Unchanged key={at} lines={block.lines} isFirst={at === 0} isLast={at === blocks.length - 1} />;
        }
        return <Lines key={at} change={block.change} lines={block.lines} />;
      })}
    </div>
  );
}

interface ExampleProps {
  pair: ExamplePair;
  labels: readonly string[];
}

function partsOf(before: string | undefined, after: string | undefined): Part[] {
  if (before === undefined) return [{ change: 'added', text: after ?? '' }];
  if (after === undefined) return [{ change: 'removed', text: before }];
  return wordParts(before, after) ?? [{ change: 'removed', text: before }, { change: 'added', text: after }];
}

/** An example that was added, removed or changed: of a changed one, only what differs. */
function ExampleDifference({ pair: { before, after }, labels }: ExampleProps) {
  const fields: [string, (example: WorkedExample) => string][] = [
    [t('Prompt'), (example) => example.prompt],
    [t('Completion A'), (example) => example.completion_a],
    [t('Completion B'), (example) => example.completion_b],
    [t('Verdict'), (example) => verdictOfExample(example, labels)],
    [t('Why'), (example) => example.rationale],
    [t('Asked in the quiz'), (example) => (example.in_quiz ? t('Yes') : t('No'))],
  ];
  const state = !before ? t('Added') : !after ? t('Removed') : t('Changed');
  const number = after?.number ?? before?.number ?? 0;
  const shown = fields
    .map(([name, read]) => ({ name, old: before && read(before.example), now: after && read(after.example) }))
    .filter(({ old, now }) => old !== now);
  return (
    <Card withBorder component="section" aria-label={t('Example {{number}}', { number })}>
      <Stack gap="xs">
        <Group gap="xs">
          <Title order={3}>{t('Example {{number}}', { number })}</Title>
          <Badge variant="light" c="var(--mantine-color-text)" tt="none" color={!before ? 'teal' : !after ? 'red' : 'blue'}>
            {!before ? '+ ' : !after ? '− ' : '± '}
            {state}
          </Badge>
          {before && after && before.number !== after.number && (
            <Text size="sm" c="dimmed">
              {t('It was example {{number}}.', { number: before.number })}
            </Text>
          )}
        </Group>
        {shown.map(({ name, old, now }) => (
          <div key={name}>
            <Text size="xs" fw={600} c="dimmed">
              {name}
            </Text>
            <Text size="sm" component="div">
              <Words parts={partsOf(old ?? undefined, now ?? undefined)} />
            </Text>
          </div>
        ))}
      </Stack>
    </Card>
  );
}

interface Props {
  before: GuidelineVersion;
  after: GuidelineVersion;
  labels: readonly string[];
  /** Where they are not called by their numbers. */
  title?: string;
}

/** What differs between two versions, in the text and in the worked examples. */
export function CompareVersions({ before, after, labels, title }: Props) {
  const [grain, setGrain] = useState<Grain>('words');
  const blocks = useMemo(() => textBlocks(before.body, after.body, grain), [before, after, grain]);
  const pairs = pairExamples(before.examples, after.examples);
  const changed = pairs.filter((pair) => !isUnchanged(pair));
  const moved = pairs.filter((pair) => isUnchanged(pair) && pair.before?.number !== pair.after?.number);
  const isTextSame = blocks.every((block) => block.change === 'same');
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-end">
        <Title order={2}>{title ?? t('From version {{from}} to version {{to}}', { from: before.number, to: after.number })}</Title>
        <SegmentedControl
          aria-label={t('Show differences by')}
          size="xs"
          value={grain}
          onChange={(value) => setGrain(value as Grain)}
          data={[{ value: 'words', label: t('Words') }, { value: 'lines', label: t('Lines') }]}
        />
      </Group>
      {isSameVersion(before, after) && <Text>{t('Nothing differs.')}</Text>}
      {isTextSame ? (
        !isSameVersion(before, after) && <Text c="dimmed">{t('The text is the same.')}</Text>
      ) : (
        <TextDifference blocks={blocks} />
      )}
      {(changed.length > 0 || moved.length > 0) && (
        <>
          <Title order={2}>{t('Worked examples')}</Title>
          {changed.map((pair, at) => (
            <ExampleDifference key={at} pair={pair} labels={labels} />
          ))}
          {moved.map(({ before: from, after: to }) => (
            <Text key={to?.number} size="sm" c="dimmed">
              {t('Example {{from}} is now example {{to}}.', { from: from?.number ?? 0, to: to?.number ?? 0 })}
            </Text>
          ))}
        </>
      )}
    </Stack>
  );
}
