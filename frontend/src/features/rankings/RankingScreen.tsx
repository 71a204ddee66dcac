import { Alert, Button, Group, Text, Title, VisuallyHidden } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconBook2, IconKeyboard, IconPencil, IconPlayerSkipForward, IconSend } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { HelpDialog } from '@/components/HelpDialog';
import { Note } from '@/components/Note';
import { CONTENT_WARNING, ReasonDialog, SKIP_REASONS } from '@/components/ReasonDialog';
import { ShortcutButton } from '@/components/ShortcutButton';
import { useActiveTime } from '@/lib/activeTime/useActiveTime';
import type { RankingAssignment, Tiers } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { byId, type Shortcut } from '@/lib/shortcuts/shortcuts';
import { useShortcuts } from '@/lib/shortcuts/useShortcuts';
import { drawn, inLetters, letterOf, moveTo, placeOf, putAt, sharing, step, toggleTie } from './order';
import { RankingCards } from './RankingCards';
import classes from './Ranking.module.css';

interface Props {
  ranking: RankingAssignment;
  /** What stands at the left of the strip on top: how far the labeller is. */
  status: ReactNode;
  onSubmit: (given: { tiers: Tiers; active_ms: number; justification: string }) => void;
  onSkip: (reason: string) => void;
  /** Never show these categories again, and pass on this one. */
  onDecline: (categories: string[]) => void;
}

const NOTHING_MOVED = t('You have moved nothing. If this is your order, send it once more.');

/** The words for where a card stands, for those who do not see it move. */
function whereabouts(tiers: Tiers, card: number): string {
  const values = { letter: letterOf(card), place: placeOf(tiers, card), n: tiers.length };
  const others = sharing(tiers, card).map(letterOf).join(', ');
  return others
    ? t('{{letter}} shares place {{place}} of {{n}} with {{others}}.', { ...values, others })
    : t('{{letter}} is at place {{place}} of {{n}}.', values);
}

/** One ranking and all that can be done with it. Mounted anew for each. */
export function RankingScreen({ ranking, status, onSubmit, onSkip, onDecline }: Props) {
  const { slug, ties_allowed, justification_min_length } = useProject();
  const size = ranking.completions.length;
  const heading = useRef<HTMLHeadingElement>(null);
  const [tiers, setTiers] = useState(() => drawn(size));
  const [picked, setPicked] = useState<number | null>(null);
  const [note, setNote] = useState<string | null>(justification_min_length > 0 ? '' : null);
  const [n_noteAsked, setNoteAsked] = useState(0);
  const [isMoved, setMoved] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const [said, setSaid] = useState('');
  const [dialog, setDialog] = useState<'skip' | 'help' | null>(null);
  const [isRevealed, setRevealed] = useState(ranking.warnings.length === 0);
  const [hasKeys, setHasKeys] = useLocalStorage({
    key: 'touchstone:single-keys',
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const activeMs = useActiveTime(ranking.id);

  const toHeading = () => heading.current?.focus({ preventScroll: true });
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [ranking]);
  // A warning has the focus first, and what it hid can take it only once it is shown; a note that is asked for never does.
  useEffect(() => {
    if (isRevealed) toHeading();
  }, [ranking, isRevealed]);

  const change = (card: number, changed: Tiers) => {
    setPicked(card);
    setMoved(true);
    setAsking(false);
    setTiers(changed);
    setSaid(whereabouts(changed, card));
  };
  const lacks = justification_min_length - (note ?? '').trim().length;
  const submit = () => {
    if (lacks > 0) {
      setSaid(t('First write down why.'));
      return;
    }
    if (!isMoved && !isAsking) {
      // Sent by one key too many, it would be a ranking that nobody made.
      setAsking(true);
      setSaid(NOTHING_MOVED);
      return;
    }
    onSubmit({ tiers, active_ms: activeMs(), justification: (note ?? '').trim() });
  };
  const close = () => {
    setDialog(null);
    toHeading();
  };

  const cards = drawn(size).flat();
  const pick = (card: number) => document.getElementById(`card-${card}`)?.focus();
  const ofPicked = (perform: (card: number) => void) => ({
    isEnabled: isRevealed && picked !== null,
    perform: () => {
      if (picked !== null) perform(picked);
    },
  });
  const shortcuts: Shortcut[] = [
    ...cards.map((card) => ({
      id: `pick-${card}`, keyName: letterOf(card), isEnabled: isRevealed,
      label: t('Pick completion {{letter}}', { letter: letterOf(card) }),
      perform: () => pick(card),
    })),
    ...cards.map((at) => ({
      id: `place-${at + 1}`, keyName: String(at + 1),
      label: t('Put the picked one at place {{place}}', { place: at + 1 }),
      ...ofPicked((card) => change(card, putAt(tiers, card, at + 1))),
    })),
    { id: 'up', keyName: 'ArrowUp', label: t('Move the picked one up'), ...ofPicked((card) => change(card, step(tiers, card, -1))) },
    { id: 'down', keyName: 'ArrowDown', label: t('Move the picked one down'), ...ofPicked((card) => change(card, step(tiers, card, 1))) },
    ...(ties_allowed
      ? [{
          id: 'tie', keyName: 'T', label: t('Tie the picked one with the one above, or part them'),
          ...ofPicked((card) => change(card, toggleTie(tiers, card))),
        }]
      : []),
    { id: 'submit', keyName: 'Enter', label: t('Send the ranking'), isEnabled: isRevealed, perform: submit },
    {
      id: 'note', keyName: 'J', label: t('Write down why'), isEnabled: isRevealed,
      perform: () => {
        setNote(note ?? '');
        setNoteAsked(n_noteAsked + 1);
      },
    },
    { id: 'skip', keyName: 'S', label: t('Skip this ranking, with a reason'), perform: () => setDialog('skip') },
    { id: 'help', keyName: '?', label: t('Show these keys'), perform: () => setDialog('help') },
  ];
  useShortcuts(shortcuts, hasKeys);
  const tool = (id: string, text: string, icon: ReactNode, more: object = {}) => (
    <ShortcutButton shortcut={byId(shortcuts, id)} text={text} leftSection={icon} {...more} />
  );

  return (
    <>
      <div className={classes.strip}>
        {status}
        <Group gap={4} role="group" aria-label={t('This ranking')}>
          <Button
            component={Link}
            to={`/projects/${slug}/guidelines`}
            target="_blank"
            variant="subtle"
            color="gray"
            size="compact-sm"
            leftSection={<IconBook2 size={16} aria-hidden />}
          >
            {t('Guidelines')}
          </Button>
          {tool('skip', t('Skip'), <IconPlayerSkipForward size={16} aria-hidden />)}
          {tool('help', t('Keys'), <IconKeyboard size={16} aria-hidden />, { visibleFrom: 'xs' })}
        </Group>
      </div>
      {!isRevealed && (
        <Warning
          categories={ranking.warnings}
          onReveal={() => setRevealed(true)}
          onSkip={() => onSkip(CONTENT_WARNING)}
          onDecline={() => onDecline(ranking.warnings)}
        />
      )}
      <div className={classes.content} data-hidden={!isRevealed || undefined} inert={!isRevealed}>
        <div>
          <Title order={2} size="sm" c="dimmed" mb={4} id="prompt" ref={heading} tabIndex={-1} className={classes.heading}>
            {t('Prompt')}
          </Title>
          {/* A long one scrolls by itself, with the keyboard too. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <div className={classes.prompt} role="region" aria-labelledby="prompt" tabIndex={0}>
            <Conversation messages={ranking.prompt.messages} isFolded />
          </div>
        </div>
        <div>
          <Title order={2} size="sm" c="dimmed" id="completions">
            {t('Completions, the best on top')}
          </Title>
          <Text size="sm" c="dimmed" mb={6}>
            {t('Drag them, use the buttons, or press a letter and then a place or an arrow.')}
          </Text>
          <RankingCards
            completions={ranking.completions}
            tiers={tiers}
            picked={picked}
            isTieAllowed={ties_allowed}
            onPick={setPicked}
            onStep={(card, by) => change(card, step(tiers, card, by))}
            onTie={(card) => change(card, toggleTie(tiers, card))}
            onDrop={(card, index) => change(card, moveTo(tiers, card, index))}
          />
        </div>
      </div>
      <div className={classes.bar} inert={!isRevealed}>
        {note !== null && (
          <div className={classes.note}>
            <Note
              value={note}
              minLength={justification_min_length}
              onChange={setNote}
              onLeave={toHeading}
              onSubmit={submit}
              focusCount={n_noteAsked}
            />
          </div>
        )}
        <Text size="sm" className={classes.order} data-testid="order">
          {inLetters(tiers)}
        </Text>
        <Group gap="xs">
          {note === null && tool('note', t('Write down why'), <IconPencil size={16} aria-hidden />)}
          {tool('submit', isAsking ? t('Send it as it is') : t('Send'), <IconSend size={16} aria-hidden />, {
            variant: 'filled', color: undefined, size: 'sm',
          })}
        </Group>
        {isAsking && (
          <Text size="sm" className={classes.note}>
            {NOTHING_MOVED}
          </Text>
        )}
      </div>
      <VisuallyHidden role="status">{said}</VisuallyHidden>
      <ReasonDialog
        isOpen={dialog === 'skip'}
        onClose={close}
        title={t('Skip this ranking')}
        question={t('Why? Somebody else gets it; you will not see it again.')}
        options={SKIP_REASONS}
        noteLabel={t('Reason')}
        maxNote={300}
        isNoteAlways={false}
        action={t('Skip')}
        onSubmit={(option, words) => onSkip(words || option)}
      />
      <HelpDialog isOpen={dialog === 'help'} onClose={close} shortcuts={shortcuts} hasKeys={hasKeys} onHasKeys={setHasKeys} />
    </>
  );
}

interface WarningProps {
  categories: string[];
  onReveal: () => void;
  onSkip: () => void;
  onDecline: () => void;
}

/** Before completions that may distress: nobody has to see them. */
function Warning({ categories, onReveal, onSkip, onDecline }: WarningProps) {
  const show = useRef<HTMLButtonElement>(null);
  useEffect(() => show.current?.focus({ preventScroll: true }), []);
  return (
    <Alert color="orange" title={t('These completions may be distressing')} role="alertdialog" aria-label={t('Content warning')}>
      <Text size="sm" mb="sm">
        {t('It is marked: {{categories}}. You do not have to see it.', { categories: categories.join(', ') })}
      </Text>
      <Group gap="xs">
        <Button ref={show} size="compact-md" onClick={onReveal}>
          {t('Show it')}
        </Button>
        <Button size="compact-md" variant="default" onClick={onSkip}>
          {t('Skip this one')}
        </Button>
        <Button size="compact-md" variant="default" onClick={onDecline}>
          {t('Never show me such rankings')}
        </Button>
      </Group>
    </Alert>
  );
}
