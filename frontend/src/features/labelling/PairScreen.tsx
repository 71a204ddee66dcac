import { Button, Group, Textarea, Title } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconBook2, IconFlag, IconKeyboard, IconPencil, IconPlayerSkipForward } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Conversation } from '@/components/Conversation';
import { Markdown } from '@/components/Markdown';
import { useActiveTime } from '@/lib/activeTime/useActiveTime';
import type { Assignment, Judgement } from '@/lib/api/types';
import { useProject } from '@/lib/session';
import { byId, type Shortcut } from '@/lib/shortcuts/shortcuts';
import { useShortcuts } from '@/lib/shortcuts/useShortcuts';
import { HelpDialog } from './HelpDialog';
import { choicesOf, type Choice } from './intensity';
import classes from './Labelling.module.css';
import { RatingBar } from './RatingBar';
import type { FlagKind } from './session';
import { FlagDialog, SkipDialog } from './SetAsideDialogs';
import { ShortcutButton } from './ShortcutButton';

type Dialog = 'skip' | 'flag' | 'help';

interface Props {
  pair: Assignment;
  /** What stands at the left of the strip on top: how far the labeller is. */
  status: ReactNode;
  isPanelOpen: boolean;
  onTogglePanel: () => void;
  onRate: (judgement: Omit<Judgement, 'client_id'>, choice: Choice) => void;
  onSkip: (reason: string) => void;
  onFlag: (kind: FlagKind, note: string) => void;
}

/** One pair and all that can be done with it. Mounted anew for each pair. */
export function PairScreen({ pair, status, isPanelOpen, onTogglePanel, onRate, onSkip, onFlag }: Props) {
  const project = useProject();
  const heading = useRef<HTMLHeadingElement>(null);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [note, setNote] = useState<string | null>(null);
  const [hasKeys, setHasKeys] = useLocalStorage({
    key: 'touchstone:single-keys',
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const activeMs = useActiveTime(pair.id);
  const choices = choicesOf(project.intensity_labels, project.ties_allowed);

  const toHeading = () => heading.current?.focus({ preventScroll: true });
  useEffect(() => {
    window.scrollTo(0, 0);
    toHeading();
  }, []);

  const choose = (choice: Choice) => {
    const { preferred, intensity } = choice;
    const justification = (note ?? '').trim();
    onRate({ assignment_id: pair.id, preferred, intensity, active_ms: activeMs(), justification }, choice);
  };
  const close = () => {
    setDialog(null);
    toHeading();
  };

  const shortcuts: Shortcut[] = [
    ...choices.map((choice) => ({ ...choice, perform: () => choose(choice) })),
    { id: 'note', keyName: 'J', label: 'Write down why', perform: () => setNote(note ?? '') },
    { id: 'skip', keyName: 'S', label: 'Skip this comparison, with a reason', perform: () => setDialog('skip') },
    { id: 'flag', keyName: 'F', label: 'Flag a problem to the reviewers', perform: () => setDialog('flag') },
    { id: 'guidelines', keyName: 'G', label: 'Show or hide the guidelines', perform: onTogglePanel },
    { id: 'help', keyName: '?', label: 'Show these keys', perform: () => setDialog('help') },
  ];
  useShortcuts(shortcuts, hasKeys);
  const write = byId(shortcuts, 'note');

  return (
    <>
      <div className={classes.strip}>
        {status}
        <Group gap={4}>
          <ShortcutButton
            shortcut={byId(shortcuts, 'guidelines')}
            text="Guidelines"
            isExpanded={isPanelOpen}
            leftSection={<IconBook2 size={16} aria-hidden />}
          />
          <ShortcutButton
            shortcut={byId(shortcuts, 'skip')}
            text="Skip"
            leftSection={<IconPlayerSkipForward size={16} aria-hidden />}
          />
          <ShortcutButton shortcut={byId(shortcuts, 'flag')} text="Flag" leftSection={<IconFlag size={16} aria-hidden />} />
          <ShortcutButton
            shortcut={byId(shortcuts, 'help')}
            text="Keys"
            leftSection={<IconKeyboard size={16} aria-hidden />}
            visibleFrom="xs"
          />
        </Group>
      </div>
      <div>
        <Title order={2} size="sm" c="dimmed" mb={4} id="prompt" ref={heading} tabIndex={-1} className={classes.heading}>
          Prompt
        </Title>
        {/* A long one scrolls by itself, with the keyboard too. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <div className={classes.prompt} role="region" aria-labelledby="prompt" tabIndex={0}>
          <Conversation messages={pair.prompt.messages} />
        </div>
      </div>
      <div className={classes.pair}>
        <Completion letter="A" text={pair.first.text} />
        <Completion letter="B" text={pair.second.text} />
      </div>
      <div className={classes.bar}>
        {note === null ? (
          <Button
            variant="subtle"
            color="gray"
            size="compact-xs"
            leftSection={<IconPencil size={14} aria-hidden />}
            rightSection={<span className={classes.key} data-key={write.keyName} />}
            aria-label={`${write.label} (${write.keyName})`}
            aria-keyshortcuts={write.keyName}
            style={{ alignSelf: 'flex-start' }}
            onClick={write.perform}
          >
            {write.label}
          </Button>
        ) : (
          <Note value={note} onChange={setNote} onLeave={toHeading} />
        )}
        <RatingBar choices={choices} n_levels={project.intensity_labels.length} onChoose={choose} />
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

function Completion({ letter, text }: { letter: 'A' | 'B'; text: string }) {
  return (
    <section
      className={classes.completion}
      aria-label={`Completion ${letter}`}
      data-testid={`completion-${letter.toLowerCase()}`}
    >
      <span className={classes.letter} aria-hidden>
        {letter}
      </span>
      <Markdown text={text} />
    </section>
  );
}

interface NoteProps {
  value: string;
  onChange: (value: string) => void;
  onLeave: () => void;
}

function Note({ value, onChange, onLeave }: NoteProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <Textarea
      ref={field}
      aria-label="Why (optional)"
      placeholder="Why? Escape goes back to the keys."
      autosize
      minRows={1}
      maxRows={5}
      maxLength={10_000}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onLeave();
      }}
    />
  );
}
