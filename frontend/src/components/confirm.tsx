import { Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { t } from '@/lib/i18n';

interface Question {
  title: string;
  text: string;
  confirm: string;
  onConfirm: () => void;
  onCancel?: () => void;
}

/** Ask before something is lost. */
export function askFirst({ title, text, confirm, onConfirm, onCancel }: Question) {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm, cancel: t('Keep it') },
    confirmProps: { color: 'red' },
    onConfirm,
    onCancel,
  });
}
