import { Alert, Button, Group } from '@mantine/core';
import { complaints } from '@/lib/formErrors';
import { t } from '@/lib/i18n';

/** Why what a form asked for was not begun; nothing without an error. */
export function NotStarted({ error }: { error: Error | null }) {
  return (
    error && (
      <Alert color="red" title={t('It was not started')} role="alert">
        {error.message}
      </Alert>
    )
  );
}

/** What a form's preview does not like, while it is filled in. */
export function ToCorrect({ error }: { error: Error }) {
  return (
    <Alert color="yellow" title={t('There is something to correct')} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
      {complaints(error)}
    </Alert>
  );
}

/** The end of a dialog's form that starts a job. */
export function StartButtons({ start, close }: { start: { error: Error | null; isPending: boolean }; close: () => void }) {
  return (
    <>
      <NotStarted error={start.error} />
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t('Not now')}
        </Button>
        <Button type="submit" loading={start.isPending}>
          {t('Start')}
        </Button>
      </Group>
    </>
  );
}
