import { Text } from '@mantine/core';
import { modals } from '@mantine/modals';

interface Question {
  title: string;
  text: string;
  confirm: string;
  onConfirm: () => void;
}

/** Ask before something is lost. */
export function askFirst({ title, text, confirm, onConfirm }: Question) {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm, cancel: 'Keep it' },
    confirmProps: { color: 'red' },
    onConfirm,
  });
}
