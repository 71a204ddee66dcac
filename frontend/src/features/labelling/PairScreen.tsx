import { Alert, Button, Group, Text, Title } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import {
  IconArrowBackUp,
  IconArrowsVertical,
  IconBook2,
  IconCode,
  IconGitCompare,
  IconFlag,
  IconHighlight,
  IconKeyboard,
  IconPencil,
  IconPlayerSkipForward,
} from '@tabler/icons-react';
import { useEffect, useEffectEvent, useRef, useState, type ReactNode } from 'react';
import { Conversation } from '@/components/Conversation';
import { HelpDialog } from '@/components/HelpDialog';
import { KeyCap } from '@/components/KeyCap';
import { Note } from '@/components/Note';
import { RatingBar } from '@/components/RatingBar';
import { CONTENT_WARNING } from '@/components/ReasonDialog';
import { ShortcutButton } from '@/components/ShortcutButton';
import { useActiveTime } from '@/lib/activeTime/useActiveTime';
import type { Assignment, Judgement, Span } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { choiceOf, choicesOf, NEITHER, type Choice } from '@/lib/intensity';
import { useProject } from '@/lib/session';
import { ariaKeys, byId, type Shortcut } from '@/lib/shortcuts/shortcuts';
import { useShortcuts } from '@/lib/shortcuts/useShortcuts';
import { useRoomFor } from '@/lib/useRoomFor';
import { BucketBar } from './BucketBar';
import { CompletionPair } from './completions/CompletionPair';
import { usePairView } from './completions/usePairView';
import { ContentWarning } from './ContentWarning';
import classes from './Labelling.module.css';
import { BUCKET_KEYS, isAsBefore, missing, type Draft, type Missing } from './pending';
import type { Begun, FlagKind, Rated } from './session';
import { FlagDialog, SkipDialog } from './SetAsideDialogs';

type Dialog = 'skip' | 'flag' | 'help';
/** What a labeller has said of the pair on the screen. */
export type Said = Omit<Judgement, 'client_id' | 'assignment_id' | 'supersedes'>;

interface Props {
  pair: Assignment;
  /** The rating that is being changed; null for a new one. */
  before: Rated | null;
  /** What was begun when the pair was on the screen before. */
  begun: Begun | null;
  /** The pair leaves the screen, with an answer or without: what was begun by then. */
  onLeave: (begun: Begun) => void;
  /** What stands at the left of the strip on top: how far the labeller is. */
  status: ReactNode;
  isPanelOpen: boolean;
  onTogglePanel: () => void;
  onRate: (said: Said, choice: Choice) => void;
  onSkip: (reason: string) => void;
  onFlag: (kind: FlagKind, note: string) => void;
  /** Never show pairs of these categories again, and pass on this one. */
  onDecline: (categories: string[]) => void;
  /** Back to the pair rated last; null where there is none, or it is too long ago. */
  onBack: (() => void) | null;
  /** Leave the rating that is being changed as it is. */
  onKeep: () => void;
}

/** One pair and all that can be done with it. Mounted anew for each pair. */
export function PairScreen({
  pair, before, begun, onLeave, status, isPanelOpen, onTogglePanel, onRate, onSkip, onFlag, onDecline, onBack, onKeep,
}: Props) {
  const project = useProject();
  const heading = useRef<HTMLHeadingElement>(null);
  const warning = useRef<HTMLButtonElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  useRoomFor(bar);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [hasKeys, setHasKeys] = useLocalStorage({
    key: 'touchstone:single-keys',
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const [view, changeView] = usePairView();
  const [isHighlighting, setHighlighting] = useState(false);
  const [spans, setSpans] = useState<Span[]>(begun?.spans ?? before?.judgement.spans ?? []);
  const [isRevealed, setRevealed] = useState(begun?.isRevealed ?? (pair.warnings.length === 0 || before !== null));
  const [earlierMs] = useState(begun?.activeMs ?? 0);
  const onScreenMs = useActiveTime(pair.id);
  const activeMs = () => earlierMs + onScreenMs();

  const choices = choicesOf(project.intensity_labels, project.ties_allowed);
  const n_buckets = project.bucket_labels.length;
  const demands = { n_buckets, justificationMinLength: project.justification_min_length };
  const [draft, setDraft] = useState<Draft>(
    begun?.draft ?? {
      choice: null,
      bucket: before?.judgement.bucket ?? null,
      note: before?.judgement.justification || null,
    },
  );
  const [noteCount, setNoteCount] = useState(0);
  // The old answer stands until another one is given: what goes with it can be changed alone.
  const beforeChoice = before && choiceOf(before.judgement, choices);
  const withChoice = (given: Draft): Draft => ({ ...given, choice: given.choice ?? beforeChoice });
  const whole = withChoice(draft);
  const lacks = missing(whole, demands);
  const isChanged = (now: Draft) => now.choice !== null || (before !== null && !isAsBefore(before.judgement, now, spans));

  const toHeading = () => heading.current?.focus({ preventScroll: true });
  const toStart = () => (isRevealed ? toHeading() : warning.current?.focus({ preventScroll: true }));
  const openNote = (next: Draft) => {
    setDraft({ ...next, note: next.note ?? '' });
    setNoteCount(noteCount + 1);
  };
  const start = useEffectEvent(() => {
    // The note takes the focus by itself, and keeps it where it is what is asked for.
    if (draft.choice === null || lacks[0] !== 'justification') toStart();
  });
  useEffect(() => {
    // Some browsers answer with a promise, which is no clean-up.
    window.scrollTo(0, 0);
  }, [pair, before]);
  // A warning has the focus first; what it hid can take it only once it is shown.
  useEffect(() => start(), [isRevealed]);

  const leave = useEffectEvent(() => onLeave({ draft, spans, isRevealed, activeMs: activeMs() }));
  useEffect(() => () => leave(), []);

  /** Send as soon as nothing is missing; else ask for the next thing. */
  const advance = (given: Draft) => {
    if (!isChanged(given)) {
      setDraft(given);
      return;
    }
    const next = withChoice(given);
    const { choice, bucket } = next;
    const note = (next.note ?? '').trim();
    if (choice && missing(next, demands).length === 0) {
      const said: Said = {
        preferred: choice.preferred,
        intensity: choice.intensity,
        is_neither_acceptable: choice.isNeitherAcceptable,
        bucket,
        active_ms: activeMs(),
        justification: note,
        spans,
      };
      onRate(said, choice);
      return;
    }
    if (missing(next, demands)[0] === 'justification') openNote(given);
    else setDraft(given);
  };
  const choose = (choice: Choice) => advance({ ...draft, choice });
  const close = () => {
    setDialog(null);
    toStart();
  };

  const bucketKeys: Shortcut[] = project.bucket_labels.map((label, position) => ({
    id: `bucket-${position}`,
    keyName: BUCKET_KEYS[position] ?? '',
    label,
    isEnabled: isRevealed,
    perform: () => advance({ ...draft, bucket: position }),
  }));
  const shortcuts: Shortcut[] = [
    ...[...choices, NEITHER].map((choice) => ({ ...choice, isEnabled: isRevealed, perform: () => choose(choice) })),
    ...bucketKeys,
    { id: 'note', keyName: 'J', label: t('Write down why'), isEnabled: isRevealed, perform: () => openNote(draft) },
    {
      id: 'highlight', keyName: 'H', label: t('Mark the text that decided it'), isEnabled: isRevealed,
      perform: () => setHighlighting(!isHighlighting),
    },
    {
      id: 'diff', keyName: 'D', label: t('Show the words that differ'), isEnabled: isRevealed,
      perform: () => changeView({ isDiff: !view.isDiff }),
    },
    { id: 'raw', keyName: 'R', label: t('Show the text as it was written'), perform: () => changeView({ isRaw: !view.isRaw }) },
    {
      id: 'scroll', keyName: 'Y', label: t('Scroll both sides together'),
      perform: () => changeView({ isScrollShared: !view.isScrollShared }),
    },
    { id: 'skip', keyName: 'S', label: t('Skip this comparison, with a reason'), isEnabled: !before, perform: () => setDialog('skip') },
    { id: 'flag', keyName: 'F', label: t('Flag a problem to the reviewers'), perform: () => setDialog('flag') },
    { id: 'guidelines', keyName: 'G', label: t('Show or hide the guidelines'), perform: onTogglePanel },
    {
      id: 'back', keyName: 'Z', alias: 'Control+Z', label: t('Back to the pair rated last'),
      isEnabled: onBack !== null, perform: () => onBack?.(),
    },
    { id: 'help', keyName: '?', label: t('Show these keys'), perform: () => setDialog('help') },
  ];
  useShortcuts(shortcuts, hasKeys);
  const write = byId(shortcuts, 'note');
  const tool = (id: string, text: string, icon: ReactNode, more: object = {}) => (
    <ShortcutButton shortcut={byId(shortcuts, id)} text={text} leftSection={icon} {...more} />
  );

  return (
    <>
      <div className={classes.strip}>
        {status}
        <Group gap={4} role="group" aria-label={t('This pair')}>
          {tool('guidelines', t('Guidelines'), <IconBook2 size={16} aria-hidden />, { isExpanded: isPanelOpen })}
          {tool('diff', t('Differences'), <IconGitCompare size={16} aria-hidden />, { isPressed: view.isDiff })}
          {tool('highlight', t('Mark'), <IconHighlight size={16} aria-hidden />, { isPressed: isHighlighting })}
          {tool('raw', t('Raw text'), <IconCode size={16} aria-hidden />, { isPressed: view.isRaw })}
          {tool('scroll', t('Scroll together'), <IconArrowsVertical size={16} aria-hidden />, {
            isPressed: view.isScrollShared, visibleFrom: 'md',
          })}
          {tool('back', t('Back'), <IconArrowBackUp size={16} aria-hidden />)}
          {tool('skip', t('Skip'), <IconPlayerSkipForward size={16} aria-hidden />)}
          {tool('flag', t('Flag'), <IconFlag size={16} aria-hidden />)}
          {tool('help', t('Keys'), <IconKeyboard size={16} aria-hidden />, { visibleFrom: 'xs' })}
        </Group>
      </div>
      {before && (
        <Alert color="yellow" p="xs" role="status">
          <Group justify="space-between" gap="xs">
            <Text size="sm">{t('You are changing your rating of this pair. Rate it anew, or leave it as it was.')}</Text>
            <Button size="compact-sm" variant="default" onClick={onKeep}>
              {t('Leave it as it was')}
            </Button>
          </Group>
        </Alert>
      )}
      {!isRevealed && (
        <ContentWarning
          showRef={warning}
          categories={pair.warnings}
          onReveal={() => setRevealed(true)}
          onSkip={() => onSkip(CONTENT_WARNING)}
          onDecline={() => onDecline(pair.warnings)}
        />
      )}
      <div className={classes.content} data-pair={pair.id} data-hidden={!isRevealed || undefined} inert={!isRevealed}>
        <div>
          <Title order={2} size="sm" c="dimmed" mb={4} id="prompt" ref={heading} tabIndex={-1} className={classes.heading}>
            {t('Prompt')}
          </Title>
          {/* A long one scrolls by itself, with the keyboard too. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <div className={classes.prompt} role="region" aria-labelledby="prompt" tabIndex={0}>
            <Conversation messages={pair.prompt.messages} isFolded />
          </div>
        </div>
        <CompletionPair
          first={pair.first.text}
          second={pair.second.text}
          isLengthShown={project.is_length_shown}
          view={view}
          onView={changeView}
          spans={spans}
          onSpans={setSpans}
          isHighlighting={isHighlighting}
        />
      </div>
      <div ref={bar} className={classes.bar} inert={!isRevealed}>
        {draft.note === null ? (
          <Group justify="space-between" gap="xs">
            <Button
              variant="subtle"
              color="gray"
              size="compact-xs"
              leftSection={<IconPencil size={14} aria-hidden />}
              rightSection={<KeyCap keyName={write.keyName} />}
              aria-label={`${write.label} (${write.keyName})`}
              aria-keyshortcuts={ariaKeys(write)}
              onClick={write.perform}
            >
              {write.label}
            </Button>
            <NeitherButton shortcut={byId(shortcuts, NEITHER.id)} isChosen={whole.choice?.id === NEITHER.id} />
          </Group>
        ) : (
          <>
            <Note
              value={draft.note}
              minLength={project.justification_min_length}
              onChange={(note) => setDraft({ ...draft, note })}
              onLeave={toHeading}
              onSubmit={() => advance(draft)}
              focusCount={noteCount}
            />
            <Group justify="flex-end">
              <NeitherButton shortcut={byId(shortcuts, NEITHER.id)} isChosen={whole.choice?.id === NEITHER.id} />
            </Group>
          </>
        )}
        {n_buckets > 0 && <BucketBar axis={project.bucket_axis} shortcuts={bucketKeys} chosen={draft.bucket} />}
        <RatingBar
          choices={choices}
          n_levels={project.intensity_labels.length}
          chosen={whole.choice}
          onChoose={choose}
        />
        <StillMissing
          choice={isChanged(draft) ? whole.choice : null}
          next={lacks[0] ?? null}
          axis={project.bucket_axis}
          onSend={() => advance(draft)}
        />
      </div>
      <SkipDialog isOpen={dialog === 'skip'} onClose={close} onSubmit={onSkip} />
      <FlagDialog isOpen={dialog === 'flag'} onClose={close} onSubmit={onFlag} />
      <HelpDialog
        isOpen={dialog === 'help'}
        onClose={close}
        shortcuts={shortcuts}
        hasKeys={hasKeys}
        onHasKeys={setHasKeys}
      />
    </>
  );
}

function NeitherButton({ shortcut, isChosen }: { shortcut: Shortcut; isChosen: boolean }) {
  return (
    <Button
      variant={isChosen ? 'light' : 'subtle'}
      color="gray"
      size="compact-xs"
      rightSection={<KeyCap keyName={shortcut.keyName} />}
      aria-label={`${shortcut.label} (${shortcut.keyName})`}
      aria-keyshortcuts={ariaKeys(shortcut)}
      aria-pressed={isChosen}
      onClick={shortcut.perform}
    >
      {shortcut.label}
    </Button>
  );
}

interface StillMissingProps {
  /** Null while there is nothing to send. */
  choice: Choice | null;
  next: Missing | null;
  axis: string;
  onSend: () => void;
}

/** Once an answer is given: what the project asks for besides. The line stays, since what appears with its text is not read. */
function StillMissing({ choice, next, axis, onSend }: StillMissingProps) {
  const answer = choice?.label ?? '';
  return (
    <div className={classes.missing} data-empty={choice === null || undefined}>
      <Text size="sm" component="div" role="status">
        {choice && next === 'bucket' && t('{{answer}}. Now: {{axis}}.', { answer, axis })}
        {choice && next === 'justification' && t('{{answer}}. Now write down why.', { answer })}
      </Text>
      {choice && next !== 'bucket' && (
        <Button size="compact-sm" disabled={next !== null} onClick={onSend}>
          {t('Send')}
        </Button>
      )}
    </div>
  );
}
