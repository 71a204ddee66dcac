import { Box, Stack, Text } from '@mantine/core';
import type { Message } from '@/lib/api/types';
import classes from './Conversation.module.css';
import { Markdown } from './Markdown';

const NAMES: Record<string, string> = { user: 'User', assistant: 'Assistant', system: 'System' };

/** The messages of a prompt, the last of them the question. */
export function Conversation({ messages }: { messages: Message[] }) {
  return (
    <Stack gap="sm">
      {messages.map((message, position) => (
        <Box key={position} className={classes.message} data-role={message.role}>
          {(messages.length > 1 || message.role !== 'user') && (
            <Text size="xs" fw={600} c="dimmed" mb={2}>
              {NAMES[message.role] ?? message.role}
            </Text>
          )}
          <Markdown text={message.content} />
        </Box>
      ))}
    </Stack>
  );
}
