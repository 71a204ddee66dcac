import { Button, Group, Modal, Radio, Stack, Textarea } from '@mantine/core';
import { useState } from 'react';
import { FLAG_KINDS, type FlagKind } from './session';

const SKIP_REASONS = [
  ['subject', 'I do not know enough about the subject'],
  ['language', 'I do not read this language well enough'],
  ['undecided', 'I cannot decide'],
  ['other', 'Another reason'],
] as const;

interface DialogProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  question: string;
  options: readonly (readonly [string, string])[];
  noteLabel: string;
  maxNote: number;
  /** Whether a note can go with every option, or only where it is needed: with "other". */
  isNoteAlways: boolean;
  action: string;
  onSubmit: (option: string, note: string) => void;
}

function ReasonForm({ question, options, noteLabel, maxNote, isNoteAlways, action, onSubmit, onClose }: DialogProps) {
  const [option, setOption] = useState(options[0]?.[0] ?? '');
  const [note, setNote] = useState('');
  const isOther = option === 'other';
  const isMissing = isOther && note.trim() === '';
  const submit = () => {
    if (!isMissing) onSubmit(option, isNoteAlways || isOther ? note.trim() : '');
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Stack>
        <Radio.Group label={question} value={option} onChange={setOption}>
          <Stack gap="xs" mt="xs">
            {options.map(([value, label], position) => (
              <Radio key={value} value={value} label={label} data-autofocus={position === 0 || undefined} />
            ))}
          </Stack>
        </Radio.Group>
        {(isNoteAlways || isOther) && (
          <Textarea
            label={noteLabel}
            required={isOther}
            autosize
            minRows={2}
            maxRows={6}
            maxLength={maxNote}
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={isMissing}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function ReasonDialog(props: DialogProps) {
  return (
    <Modal
      opened={props.isOpen}
      onClose={props.onClose}
      title={props.title}
      returnFocus={false}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <ReasonForm {...props} />
    </Modal>
  );
}

interface Props<T> {
  isOpen: boolean;
  onClose: () => void;
  onSubmit: T;
}

export function SkipDialog({ onSubmit, ...rest }: Props<(reason: string) => void>) {
  return (
    <ReasonDialog
      {...rest}
      title="Skip this comparison"
      question="Why? Somebody else gets it; you will not see it again."
      options={SKIP_REASONS}
      noteLabel="Reason"
      maxNote={300}
      isNoteAlways={false}
      action="Skip"
      onSubmit={(option, note) => onSubmit(note || (SKIP_REASONS.find(([value]) => value === option)?.[1] ?? option))}
    />
  );
}

export function FlagDialog({ onSubmit, ...rest }: Props<(kind: FlagKind, note: string) => void>) {
  return (
    <ReasonDialog
      {...rest}
      title="Flag this comparison"
      question="What is wrong? A reviewer looks at it; you go on with the next one."
      options={FLAG_KINDS}
      noteLabel="Note for the reviewer"
      maxNote={2000}
      isNoteAlways
      action="Flag"
      onSubmit={(kind, note) => onSubmit(kind as FlagKind, note)}
    />
  );
}
