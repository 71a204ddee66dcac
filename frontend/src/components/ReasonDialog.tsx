import { Button, Group, Modal, Radio, Stack, Textarea } from '@mantine/core';
import { useState } from 'react';
import { t } from '@/lib/i18n';

/** Why somebody passes. The code is what is stored, whatever the language; for "other" the words that were written. */
export const SKIP_REASONS = [
  ['subject', t('I do not know enough about the subject')],
  ['language', t('I do not read this language well enough')],
  ['undecided', t('I cannot decide')],
  ['other', t('Another reason')],
] as const;

/** What is stored where a pair was passed because of the warning before it. */
export const CONTENT_WARNING = 'content_warning';

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
            {t('Cancel')}
          </Button>
          <Button type="submit" disabled={isMissing}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** A question with a few answers, one of which may need words. */
export function ReasonDialog(props: DialogProps) {
  return (
    <Modal
      opened={props.isOpen}
      onClose={props.onClose}
      title={props.title}
      returnFocus={false}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': t('Close') }}
    >
      <ReasonForm {...props} />
    </Modal>
  );
}
