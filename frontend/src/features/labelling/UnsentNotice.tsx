import { Alert, Button, Group, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { plural } from '@/lib/format';
import type { Outbox } from '@/lib/outbox/outbox';
import { meKey } from '@/lib/session';
import classes from './Labelling.module.css';

export function useOutbox(outbox: Outbox) {
  return useSyncExternalStore(outbox.subscribe, outbox.getSnapshot);
}

/** "3 unsent": how many ratings the server has not acknowledged. */
export function UnsentCount({ outbox }: { outbox: Outbox }) {
  const { unsent } = useOutbox(outbox);
  if (unsent === 0) return null;
  return (
    <Text span size="sm" fw={600} className={classes.unsent}>
      {unsent} unsent
    </Text>
  );
}

export function SignInAgain() {
  const queries = useQueryClient();
  return (
    // The pages for signed-in people then send to the door, and back here afterwards.
    <Button size="compact-sm" onClick={() => queries.setQueryData(meKey, null)}>
      Sign in again
    </Button>
  );
}

/** Why ratings lie unsent, that they are safe, and what to do. */
export function UnsentNotice({ outbox }: { outbox: Outbox }) {
  const { unsent, state, detail, isDurable } = useOutbox(outbox);
  const isStuck = state === 'waiting' || state === 'refused' || state === 'signed_out';
  if (unsent === 0 || !isStuck) return null;
  const ratings = plural(unsent, 'rating');
  const where = isDurable
    ? `${ratings} kept in this browser and sent when it works again.`
    : `${ratings} waiting. This browser stores nothing: do not close this tab before they are sent.`;
  return (
    <Alert color={state === 'waiting' && isDurable ? 'yellow' : 'red'} role="status" p="xs">
      <Group justify="space-between" gap="xs">
        <Text size="sm">
          {state === 'signed_out' ? 'You have been signed out.' : detail} {where}
        </Text>
        {state === 'signed_out' ? (
          <SignInAgain />
        ) : (
          <Button size="compact-sm" variant="default" onClick={() => void outbox.flush()}>
            Send now
          </Button>
        )}
      </Group>
    </Alert>
  );
}
