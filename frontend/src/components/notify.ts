import { notifications } from '@mantine/notifications';
import { ApiError } from '@/lib/api/client';
import { t } from '@/lib/i18n';

export function tell(message: string) {
  notifications.show({ message, color: 'teal' });
}

/** Show why something did not work. For mutations: `onError: complain`. */
export function complain(error: unknown) {
  const message = error instanceof ApiError ? error.detail : String(error);
  notifications.show({ title: t('That did not work'), message, color: 'red', autoClose: 8000 });
}
