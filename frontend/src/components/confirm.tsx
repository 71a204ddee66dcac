import { Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { t } from '@/lib/i18n';

interface Question {
  title: string;
  text: string;
  confirm: string;
  /** The other button; without it that says that all is left as it is. */
  dismiss?: string;
  /** Nothing is lost by it. */
  isHarmless?: boolean;
  onConfirm: () => void;
  onCancel?: () => void;
}

/** Ask before something is lost, or is changed for others. */
export function askFirst({ title, text, confirm, dismiss, isHarmless = false, onConfirm, onCancel }: Question) {
  modals.openConfirmModal({
    title,
    children: <Text size="sm">{text}</Text>,
    labels: { confirm, cancel: dismiss ?? t('Keep it') },
    confirmProps: isHarmless ? {} : { color: 'red' },
    onConfirm,
    onCancel,
  });
}
