import { Alert, Skeleton, Text, VisuallyHidden } from '@mantine/core';
import { useDisclosure, useDocumentTitle } from '@mantine/hooks';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { complain } from '@/components/notify';
import { ErrorState, Loading } from '@/components/States';
import { ApiError } from '@/lib/api/client';
import type { Outcome } from '@/lib/api/types';
import { number } from '@/lib/format';
import { useMe, useProject } from '@/lib/session';
import { GuidelinesGate } from './GuidelinesGate';
import { GuidelinesPanel } from './GuidelinesPanel';
import { useSeenVersion } from './guidelines';
import classes from './Labelling.module.css';
import { NothingToRate } from './NothingToRate';
import { PairScreen } from './PairScreen';
import type { QueueSnapshot } from './queue';
import { LabellingSession } from './session';
import { SignInAgain, UnsentCount, UnsentNotice, useOutbox } from './UnsentNotice';

/** Rate one comparison after the other, by keyboard. */
export function LabellingPage() {
  useDocumentTitle('Label · Touchstone');
  const me = useMe();
  const { slug } = useProject();
  if (!me.data) return <Loading />;
  return <Labelling key={`${me.data.id}/${slug}`} userId={me.data.id} />;
}

function tellRejected(outcome: Outcome) {
  complain(new ApiError(409, outcome.code, `A rating was not taken. ${outcome.detail}`));
}

function Labelling({ userId }: { userId: number }) {
  const { slug } = useProject();
  const [session] = useState(() => new LabellingSession({ userId, slug, onRejected: tellRejected }));
  useEffect(() => {
    session.start();
    return () => session.stop();
  }, [session]);
  const queue = useSyncExternalStore(session.queue.subscribe, session.queue.getSnapshot);
  const [seenVersion, setSeenVersion] = useSeenVersion(userId, slug);
  const [isPanelOpen, panel] = useDisclosure();
  const [last, setLast] = useState('');

  const { guidelineVersion } = queue;
  const [pair] = queue.pairs;
  const mustRead = guidelineVersion !== undefined && seenVersion !== (guidelineVersion ?? 0);
  if (mustRead && !queue.isExhausted) {
    return (
      <GuidelinesGate
        key={guidelineVersion}
        version={guidelineVersion}
        isUpdate={seenVersion !== null && seenVersion > 0}
        onStart={() => setSeenVersion(guidelineVersion ?? 0)}
      />
    );
  }

  const status = <Status session={session} queue={queue} last={last} />;
  const done = (what: string) => setLast(what);
  return (
    <div className={classes.screen} data-has-panel={(pair && isPanelOpen) || undefined}>
      <div className={classes.work}>
        <VisuallyHidden>
          <h1>Rate comparisons</h1>
        </VisuallyHidden>
        <Announcer session={session} queue={queue} last={last} />
        <UnsentNotice outbox={session.outbox} />
        {pair ? (
          <PairScreen
            key={pair.id}
            pair={pair}
            status={status}
            isPanelOpen={isPanelOpen}
            onTogglePanel={panel.toggle}
            onRate={(judgement, choice) => session.rate(judgement) && done(`Rated: ${choice.label}`)}
            onSkip={(reason) => {
              done('Skipped');
              session.skip(pair.id, reason).catch(complain);
            }}
            onFlag={(kind, note) => {
              done('Flagged');
              session.flag(pair.id, kind, note).catch(complain);
            }}
          />
        ) : (
          <>
            <div className={classes.strip}>{status}</div>
            <NoPair session={session} queue={queue} />
          </>
        )}
      </div>
      {pair && <GuidelinesPanel version={guidelineVersion ?? null} isOpen={isPanelOpen} onClose={panel.close} />}
    </div>
  );
}

interface StateProps {
  session: LabellingSession;
  queue: QueueSnapshot;
}

interface LastProps extends StateProps {
  /** What was done last. */
  last: string;
}

/** "12 today · 431 left", what is unsent, and what was done last. */
function Status({ session, queue: { progress, pairs }, last }: LastProps) {
  const { unsent } = useOutbox(session.outbox);
  if (!progress) return <span />;
  const left = progress.available_is_capped
    ? `${number(progress.available)}+ left`
    : `${number(progress.available + pairs.length)} left`;
  return (
    <Text size="sm" component="div" className={classes.numbers}>
      {`${number(progress.rated_today + unsent)} today · ${left}`} <UnsentCount outbox={session.outbox} />
      <Text span size="sm" c="dimmed" aria-hidden>
        {last && ` · ${last}`}
      </Text>
    </Text>
  );
}

/** Says aloud what was done and what comes. Stays in the page, since what appears together with its text is not read. */
function Announcer({ session, queue: { progress, pairs, isExhausted }, last }: LastProps) {
  const { unsent } = useOutbox(session.outbox);
  const next = pairs.length > 0 ? 'Next comparison.' : isExhausted ? 'Nothing is left.' : '';
  // With the count, so that the same answer twice is said twice.
  const n_today = (progress?.rated_today ?? 0) + unsent;
  return <VisuallyHidden role="status">{last && `${last}. ${n_today} today. ${next}`}</VisuallyHidden>;
}

/** Nothing to show: loading, done, signed out, or the server does not answer. */
function NoPair({ session, queue }: StateProps) {
  const { unsent, state } = useOutbox(session.outbox);
  if (queue.isExhausted) {
    return (
      <NothingToRate
        progress={queue.progress}
        isChecking={queue.isLoading}
        onCheck={() => void session.queue.refill()}
      />
    );
  }
  if (unsent > 0 && state !== 'idle' && state !== 'sending') {
    // The notice above says why.
    return <Text c="dimmed">The next comparisons come once your ratings are sent.</Text>;
  }
  if (queue.error instanceof ApiError && queue.error.status === 401) {
    return (
      <Alert color="red" title="You have been signed out">
        <SignInAgain />
      </Alert>
    );
  }
  if (queue.error && !queue.isLoading) {
    return <ErrorState error={queue.error} retry={() => void session.queue.refill()} />;
  }
  return <PairSkeleton />;
}

function PairSkeleton() {
  return (
    <div aria-busy="true" aria-label="Loading comparisons" role="status">
      <Skeleton height={90} radius="md" mb="sm" />
      <div className={classes.pair}>
        <Skeleton height={320} radius="md" />
        <Skeleton height={320} radius="md" />
      </div>
    </div>
  );
}
