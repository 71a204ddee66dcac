import { Alert, Button, Group, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { auth } from '@/lib/api/allauth';
import { t } from '@/lib/i18n';
import type { Outbox } from '@/lib/outbox/outbox';
import { meKey } from '@/lib/session';
import classes from './UnsentNotice.module.css';

/** An outbox of anything. */
type AnyOutbox = Pick<Outbox, 'subscribe' | 'getSnapshot' | 'flush'>;

export function useOutbox(outbox: AnyOutbox) {
  return useSyncExternalStore(outbox.subscribe, outbox.getSnapshot);
}

/** "3 unsent": how many answers the server has not acknowledged. */
export function UnsentCount({ outbox }: { outbox: AnyOutbox }) {
  const { unsent } = useOutbox(outbox);
  if (unsent === 0) return null;
  return (
    <Text span size="sm" fw={600} className={classes.unsent}>
      {t('{{n}} unsent', { n: unsent })}
    </Text>
  );
}

export function SignInAgain() {
  const queries = useQueryClient();
  const signIn = async () => {
    // Somebody else may have signed in in another tab: the door lets nobody in before they are out.
    await auth('DELETE', '/auth/session').catch(() => undefined);
    // The pages for signed-in people then send to the door, and back here afterwards.
    queries.setQueryData(meKey, null);
  };
  return (
    <Button size="compact-sm" onClick={() => void signIn()}>
      {t('Sign in again')}
    </Button>
  );
}

/** Why answers lie unsent, that they are safe, and what to do. */
export function UnsentNotice({ outbox, isOfRankings = false }: { outbox: AnyOutbox; isOfRankings?: boolean }) {
  const { unsent, state, detail, isDurable } = useOutbox(outbox);
  const isStuck = state === 'waiting' || state === 'refused' || state === 'signed_out';
  if (unsent === 0 || !isStuck) return null;
  const kept = isOfRankings
    ? t('{{count}} rankings kept in this browser and sent when it works again.', { count: unsent })
    : t('{{count}} ratings kept in this browser and sent when it works again.', { count: unsent });
  const atRisk = isOfRankings
    ? t('{{count}} rankings waiting. This browser stores nothing: do not close this tab before they are sent.', { count: unsent })
    : t('{{count}} ratings waiting. This browser stores nothing: do not close this tab before they are sent.', { count: unsent });
  const where = isDurable ? kept : atRisk;
  return (
    <Alert color={state === 'waiting' && isDurable ? 'yellow' : 'red'} role="status" p="xs">
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {state === 'signed_out' ? t('You have been signed out.') : detail} {where}
        </Text>
        {state === 'signed_out' ? (
          <SignInAgain />
        ) : (
          <Button size="compact-sm" variant="default" onClick={() => void outbox.flush()}>
            {t('Send now')}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
