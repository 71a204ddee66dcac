import {
  closestCenter, DndContext, PointerSensor, useSensor, useSensors, type Announcements, type DragEndEvent,
} from '@dnd-kit/core';
import { SortableContext, useSortable, verticalListSortingStrategy } from '@dnd-kit/sortable';
import { ActionIcon, Text, Tooltip, VisuallyHidden } from '@mantine/core';
import { useReducedMotion } from '@mantine/hooks';
import { IconArrowDown, IconArrowUp, IconEqual, IconGripVertical } from '@tabler/icons-react';
import { useLayoutEffect, useRef } from 'react';
import { Copy } from '@/components/Copy';
import { Markdown } from '@/components/Markdown';
import type { Tiers } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { cardsOf, isTied, letterOf, placeOf } from './order';
import classes from './Ranking.module.css';

interface Props {
  completions: { text: string }[];
  tiers: Tiers;
  /** The card that keys move. */
  picked: number | null;
  isTieAllowed: boolean;
  onPick: (card: number) => void;
  onStep: (card: number, by: -1 | 1) => void;
  onTie: (card: number) => void;
  /** Dropped so that it is the `index`-th from the top. */
  onDrop: (card: number, index: number) => void;
}

// Where a card came to lie is said by the screen itself, in the same words for each way of moving it.
const SILENT: Announcements = {
  onDragStart: () => undefined,
  onDragOver: () => undefined,
  onDragEnd: () => undefined,
  onDragCancel: () => undefined,
};

/** The completions from best to worst, to be put in order by drag or by buttons. */
export function RankingCards({ completions, tiers, onDrop, ...rest }: Props) {
  const cards = cardsOf(tiers);
  const list = useRef<HTMLOListElement>(null);
  useKeptFocus(list, tiers);
  const sensors = useSensors(useSensor(PointerSensor, { activationConstraint: { distance: 4 } }));
  const drop = ({ active, over }: DragEndEvent) => {
    if (over && over.id !== active.id) onDrop(cardWith(active.id), cards.indexOf(cardWith(over.id)));
  };
  return (
    <DndContext
      sensors={sensors}
      collisionDetection={closestCenter}
      onDragEnd={drop}
      accessibility={{ announcements: SILENT, screenReaderInstructions: { draggable: '' } }}
    >
      <SortableContext items={cards.map(idOf)} strategy={verticalListSortingStrategy}>
        <ol className={classes.cards} aria-labelledby="completions" ref={list}>
          {cards.map((card) => (
            <Card key={card} card={card} text={completions[card]?.text ?? ''} tiers={tiers} {...rest} />
          ))}
        </ol>
      </SortableContext>
    </DndContext>
  );
}

const idOf = (card: number) => `card-${card}`;
const cardWith = (id: string | number) => Number(String(id).replace('card-', ''));

/** A card that moves in the page loses the focus in it: give it back, and have it in sight. */
function useKeptFocus(list: React.RefObject<HTMLElement | null>, tiers: Tiers): void {
  const focused = useRef<HTMLElement | null>(null);
  useLayoutEffect(() => {
    const inside = list.current;
    const note = (event: FocusEvent) => {
      focused.current = event.target as HTMLElement;
    };
    inside?.addEventListener('focusin', note);
    return () => inside?.removeEventListener('focusin', note);
  }, [list]);
  useLayoutEffect(() => {
    const element = focused.current;
    if (!element?.isConnected || (document.activeElement !== document.body && document.activeElement !== element)) return;
    element.focus({ preventScroll: true });
    element.closest('li')?.scrollIntoView({ block: 'nearest' });
  }, [tiers]);
}

interface CardProps extends Omit<Props, 'completions' | 'onDrop'> {
  card: number;
  text: string;
}

function Card({ card, text, tiers, picked, isTieAllowed, onPick, onStep, onTie }: CardProps) {
  const { is_length_shown } = useProject();
  const { setNodeRef, setActivatorNodeRef, listeners, transform, transition, isDragging } = useSortable({ id: idOf(card) });
  const isStill = useReducedMotion();
  const letter = letterOf(card);
  const place = placeOf(tiers, card);
  const isWithAbove = isTied(tiers, card);
  const isFirst = cardsOf(tiers)[0] === card;
  return (
    <li
      ref={setNodeRef}
      id={idOf(card)}
      className={`${classes.card} ${isWithAbove ? classes.tied : ''}`}
      style={{
        transform: transform ? `translate3d(0, ${Math.round(transform.y)}px, 0)` : undefined,
        transition: isStill ? undefined : transition,
      }}
      data-picked={picked === card || undefined}
      data-dragged={isDragging || undefined}
      aria-labelledby={`${idOf(card)}-name`}
      tabIndex={-1}
      onFocus={() => onPick(card)}
    >
      <div className={classes.tools}>
        <Text component="h3" id={`${idOf(card)}-name`} m={0} size="md">
          <VisuallyHidden>
            {isWithAbove
              ? t('Completion {{letter}}, place {{place}}, tied with the one above', { letter, place })
              : t('Completion {{letter}}, place {{place}}', { letter, place })}
          </VisuallyHidden>
          <span className={classes.letter} aria-hidden>
            {letter}
          </span>
        </Text>
        <span className={classes.place} aria-hidden>
          {isWithAbove ? `= ${place}.` : `${place}.`}
        </span>
        {/* For pointers; the buttons and keys do the same. */}
        <span className={classes.handle} ref={setActivatorNodeRef} {...listeners} aria-hidden data-testid={`drag-${letter}`}>
          <IconGripVertical size={18} />
        </span>
        <Tool label={t('Move {{letter}} up', { letter })} keys="ArrowUp" onClick={() => onStep(card, -1)}>
          <IconArrowUp size={18} />
        </Tool>
        <Tool label={t('Move {{letter}} down', { letter })} keys="ArrowDown" onClick={() => onStep(card, 1)}>
          <IconArrowDown size={18} />
        </Tool>
        {isTieAllowed && (
          <Tool
            label={t('Tie {{letter}} with the one above', { letter })}
            keys="T"
            isPressed={isWithAbove}
            isDisabled={isFirst}
            onClick={() => onTie(card)}
          >
            <IconEqual size={18} />
          </Tool>
        )}
        <Copy value={text} label={t('Copy {{letter}}', { letter })} />
      </div>
      <div>
        {/* A long one scrolls by itself, with the keyboard too. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <div className={classes.text} role="region" aria-label={t('Text of {{letter}}', { letter })} tabIndex={0}>
          <Markdown text={text} />
        </div>
        {is_length_shown && (
          <Text size="xs" c="dimmed">
            {t('{{count}} characters', { count: [...text].length })}
          </Text>
        )}
      </div>
    </li>
  );
}

interface ToolProps {
  label: string;
  keys: string;
  isPressed?: boolean;
  isDisabled?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function Tool({ label, keys, isPressed, isDisabled, onClick, children }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant={isPressed ? 'light' : 'subtle'}
        color={isPressed ? undefined : 'gray'}
        size={32}
        aria-label={label}
        aria-keyshortcuts={keys}
        aria-pressed={isPressed}
        // Not `disabled`, which would take the focus away from under the finger.
        aria-disabled={isDisabled || undefined}
        onClick={isDisabled ? undefined : onClick}
      >
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
