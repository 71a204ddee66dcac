import { Alert, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError } from '@/lib/api/client';
import { t } from '@/lib/i18n';

interface Props {
  title: string;
  /** What will happen. */
  text: string;
  label: string;
  hint?: string;
  maxLength: number;
  action: string;
  colour?: string;
  onClose: () => void;
  /** Refusals are shown here. */
  onSubmit: (words: string) => Promise<unknown>;
}

/** Something that is done with words: a reason, a message. */
export function WriteDialog({ title, text, label, hint, maxLength, action, colour, onClose, onSubmit }: Props) {
  const [words, setWords] = useState('');
  const [problem, setProblem] = useState('');
  const submit = useMutation({
    mutationFn: () => onSubmit(words.trim()),
    onSuccess: onClose,
    onError: (error) => setProblem(error instanceof ApiError ? (error.errors[0]?.message ?? error.detail) : String(error)),
  });
  return (
    <Modal opened onClose={onClose} title={title} transitionProps={{ duration: 0 }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit.mutate();
        }}
      >
        <Stack>
          <Text size="sm">{text}</Text>
          {problem && (
            <Alert color="red" role="alert">
              {problem}
            </Alert>
          )}
          <Textarea
            label={label}
            description={hint}
            required
            autosize
            minRows={3}
            maxRows={12}
            maxLength={maxLength}
            data-autofocus
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t('Cancel')}
            </Button>
            <Button type="submit" color={colour} disabled={words.trim() === ''} loading={submit.isPending}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
