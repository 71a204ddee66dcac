import { Box, Button, Stack, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconChevronRight } from '@tabler/icons-react';
import { useId, useState } from 'react';
import type { Message } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import classes from './Conversation.module.css';
import { Markdown } from './Markdown';

const NAMES: Record<string, string> = { user: t('User'), assistant: t('Assistant'), system: t('System') };

interface Props {
  messages: Message[];
  /** All but the last turn show their beginning only, until they are opened. */
  isFolded?: boolean;
}

/** The messages of a prompt, the last of them the question. */
export function Conversation({ messages, isFolded = false }: Props) {
  const isNamed = messages.length > 1 || messages[0]?.role !== 'user';
  if (isFolded && messages.length > 1) return <FoldedConversation messages={messages} />;
  return (
    <Stack gap="sm">
      {messages.map((message, position) => (
        <Turn key={position} message={message} isNamed={isNamed} />
      ))}
    </Stack>
  );
}

function Turn({ message, isNamed }: { message: Message; isNamed: boolean }) {
  return (
    <Box className={classes.message} data-role={message.role}>
      {isNamed && (
        <Text size="xs" fw={600} c="dimmed" mb={2}>
          {NAMES[message.role] ?? message.role}
        </Text>
      )}
      <Markdown text={message.content} />
    </Box>
  );
}

function FoldedConversation({ messages }: { messages: Message[] }) {
  // Who needs the whole conversation for one prompt needs it for the next.
  const [areAllOpen, setAllOpen] = useLocalStorage({
    key: 'touchstone:all-turns',
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const [exceptions, setExceptions] = useState<ReadonlySet<number>>(new Set());
  const earlier = messages.slice(0, -1);
  const last = messages[messages.length - 1];

  const toggle = (position: number) => {
    const next = new Set(exceptions);
    if (!next.delete(position)) next.add(position);
    setExceptions(next);
  };
  const toggleAll = () => {
    setAllOpen(!areAllOpen);
    setExceptions(new Set());
  };

  return (
    <Stack gap="sm">
      {earlier.length > 1 && (
        <Button variant="subtle" size="compact-sm" className={classes.all} aria-expanded={areAllOpen} onClick={toggleAll}>
          {areAllOpen ? t('Fold {{count}} earlier turns', { count: earlier.length }) : t('Show {{count}} earlier turns', { count: earlier.length })}
        </Button>
      )}
      {earlier.map((message, position) => (
        <EarlierTurn
          key={position}
          message={message}
          isOpen={areAllOpen !== exceptions.has(position)}
          onToggle={() => toggle(position)}
        />
      ))}
      {last && <Turn message={last} isNamed />}
    </Stack>
  );
}

// Enough to tell turns apart; what does not fit on the line is cut off by CSS.
const EXCERPT = 200;

function EarlierTurn({ message, isOpen, onToggle }: { message: Message; isOpen: boolean; onToggle: () => void }) {
  const id = useId();
  return (
    <Box className={classes.message} data-role={message.role}>
      <button type="button" className={classes.fold} aria-expanded={isOpen} aria-controls={isOpen ? id : undefined} onClick={onToggle}>
        <IconChevronRight size={14} aria-hidden className={classes.chevron} />
        <span className={classes.name}>{NAMES[message.role] ?? message.role}</span>
        {!isOpen && (
          <span className={classes.excerpt} dir="auto">
            {message.content.slice(0, EXCERPT)}
          </span>
        )}
      </button>
      {isOpen && (
        <div id={id}>
          <Markdown text={message.content} />
        </div>
      )}
    </Box>
  );
}
