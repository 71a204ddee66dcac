import { Alert, Button, Group, Skeleton, Text, VisuallyHidden } from '@mantine/core';
import { useDisclosure, useDocumentTitle } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { UnreadMessages } from '@/components/Messages';
import { complain, tell } from '@/components/notify';
import { EmptyState, ErrorState, Loading } from '@/components/States';
import { SignInAgain, UnsentCount, UnsentNotice, useOutbox } from '@/components/UnsentNotice';
import { ApiError } from '@/lib/api/client';
import type { Settled } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { projectKey, useMe, useProject } from '@/lib/session';
import { BreakNotice } from './BreakNotice';
import { GuidelinesGate } from './GuidelinesGate';
import { GuidelinesPanel } from './GuidelinesPanel';
import classes from './Labelling.module.css';
import { NewVersionNotice } from './NewVersionNotice';
import { NothingToRate } from './NothingToRate';
import { PairScreen } from './PairScreen';
import type { QueueSnapshot } from './queue';
import { LabellingSession } from './session';
import { NO_WORK, withRating } from './work';

/** Rate one comparison after the other, by keyboard. */
export function LabellingPage() {
  useDocumentTitle(`${t('Label')} · Touchstone`);
  const me = useMe();
  const { slug } = useProject();
  if (!me.data) return <Loading />;
  return <Labelling key={`${me.data.id}/${slug}`} userId={me.data.id} />;
}

function tellRejected(outcome: Settled) {
  complain(new ApiError(409, outcome.code, t('A rating was not taken. {{detail}}', { detail: outcome.detail })));
}

function Labelling({ userId }: { userId: number }) {
  const { slug, grace_minutes, ranking_size } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [session] = useState(
    () =>
      new LabellingSession({
        userId,
        slug,
        graceMinutes: grace_minutes,
        onRejected: (outcome) => {
          tellRejected(outcome);
          // It may be the settings that have changed.
          void queries.invalidateQueries({ queryKey: projectKey(slug) });
        },
      }),
  );
  useEffect(() => {
    session.start();
    return () => session.stop();
  }, [session]);
  useChangeFromHistory(session);
  const queue = useSyncExternalStore(session.queue.subscribe, session.queue.getSnapshot);
  const [isPanelOpen, panel] = useDisclosure();
  const [last, setLast] = useState('');
  const [work, setWork] = useState(NO_WORK);

  const { guidelineVersion, block } = queue;
  const [pair] = queue.pairs;
  if (!pair && block) {
    // A project that ranks sends its labellers here for the guidelines.
    const goOn = () => void (ranking_size === null ? session.queue.refill() : navigate(`/projects/${slug}/rank`));
    return (
      <>
        <div className={classes.gate}>
          <UnsentNotice outbox={session.outbox} />
          <UnreadMessages />
        </div>
        {block.code === 'paused' ? (
          <Paused reason={block.detail} session={session} queue={queue} />
        ) : (
          <GuidelinesGate standing={block.code} onPassed={goOn} />
        )}
      </>
    );
  }

  const status = <Status session={session} queue={queue} last={last} />;
  const before = pair ? session.before(pair.id) : null;
  const setAside = (what: string, done: Promise<void>) => {
    setLast(what);
    done.catch((error: unknown) => {
      setLast('');
      complain(error);
    });
  };
  const decline = async (pairId: number, categories: string[]) => {
    await session.decline(pairId, categories);
    await queries.invalidateQueries({ queryKey: [...projectKey(slug), 'preferences'] });
  };
  const goBack = () => {
    // It could be gone back to when the screen was drawn; the time may have run out since.
    if (session.goBack()) setLast(t('Back to the pair rated last'));
    else tell(t('Too late to change it: a rating can be changed for {{count}} minutes.', { count: grace_minutes }));
  };
  return (
    <div className={classes.screen} data-has-panel={(pair && isPanelOpen) || undefined}>
      <div className={classes.work}>
        <VisuallyHidden>
          <h1>{t('Rate comparisons')}</h1>
        </VisuallyHidden>
        <Announcer session={session} queue={queue} last={last} />
        <UnsentNotice outbox={session.outbox} />
        <UnreadMessages heldFor={pair?.id} />
        {guidelineVersion ? <NewVersionNotice version={guidelineVersion} /> : null}
        <BreakNotice key={work.begunAt} activeMs={work.activeMs} />
        {pair ? (
          <PairScreen
            key={`${pair.id}${before ? ' again' : ''}`}
            pair={pair}
            before={before}
            begun={session.begunOf(pair.id)}
            onLeave={(begun) => session.remember(pair.id, begun)}
            status={status}
            isPanelOpen={isPanelOpen}
            onTogglePanel={panel.toggle}
            onRate={(said, choice) => {
              if (!session.rate(pair, said)) return;
              setWork(withRating(work, said.active_ms, Date.now()));
              setLast(t('Rated: {{answer}}', { answer: choice.label }));
            }}
            onSkip={(reason) => setAside(t('Skipped'), session.skip(pair.id, reason))}
            onFlag={(kind, note) => setAside(t('Flagged'), session.flag(pair.id, kind, note))}
            onDecline={(categories) => setAside(t('Skipped'), decline(pair.id, categories))}
            onBack={session.last ? goBack : null}
            onKeep={() => {
              session.keep(pair.id);
              setLast(t('Left as it was'));
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

/** `?change=12`: the labeller comes from their history to change the rating of assignment 12. */
function useChangeFromHistory(session: LabellingSession) {
  const [params, setParams] = useSearchParams();
  const wanted = Number(params.get('change'));
  useEffect(() => {
    if (!wanted) return;
    setParams({}, { replace: true });
    session.change(wanted).catch(complain);
  }, [wanted, session, setParams]);
}

interface StateProps {
  session: LabellingSession;
  queue: QueueSnapshot;
}

function Paused({ reason, session, queue }: StateProps & { reason: string }) {
  const check = async () => {
    await session.queue.refill();
    const { error } = session.queue.getSnapshot();
    if (error) complain(error);
  };
  return (
    <div className={classes.gate}>
      <EmptyState
        title={t('You are paused in this project')}
        action={
          <Button onClick={() => void check()} loading={queue.isLoading}>
            {t('Check again')}
          </Button>
        }
      >
        {reason} {t('The reviewers have been told; they can let you go on.')}
      </EmptyState>
    </div>
  );
}

interface LastProps extends StateProps {
  /** What was done last. */
  last: string;
}

/** "12 today · 8 on this visit · 431 left", what is unsent, and what was done last. */
function Status({ session, queue: { progress, pairs }, last }: LastProps) {
  const { unsent } = useOutbox(session.outbox);
  if (!progress) return <span />;
  const { gold } = progress;
  const parts = [
    t('{{n}} today', { n: number(progress.rated_today + unsent) }),
    session.n_rated > 0 && t('{{n}} on this visit', { n: number(session.n_rated) }),
    progress.available_is_capped
      ? t('{{n}}+ left', { n: number(progress.available) })
      : t('{{n}} left', { n: number(progress.available + pairs.length) }),
    gold && gold.n > 0 && t('{{share}} of {{n}} known answers right', { share: percent(gold.n_right / gold.n, 0), n: gold.n }),
  ];
  return (
    <Group gap={6} className={classes.numbers}>
      <Text size="sm" component="div">
        {parts.filter(Boolean).join(' · ')} <UnsentCount outbox={session.outbox} />
        <Text span size="sm" c="dimmed" aria-hidden>
          {last && ` · ${last}`}
        </Text>
      </Text>
    </Group>
  );
}

/** Says aloud what was done and what comes. Stays in the page, since what appears together with its text is not read. */
function Announcer({ session, queue: { progress, pairs, isExhausted }, last }: LastProps) {
  const { unsent } = useOutbox(session.outbox);
  const next = pairs.length > 0 ? t('Next comparison.') : isExhausted ? t('Nothing is left.') : '';
  // With the count, so that the same answer twice is said twice.
  const n = (progress?.rated_today ?? 0) + unsent;
  return <VisuallyHidden role="status">{last && `${last}. ${t('{{n}} today', { n })}. ${next}`}</VisuallyHidden>;
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
    return <Text c="dimmed">{t('The next comparisons come once your ratings are sent.')}</Text>;
  }
  if (queue.error instanceof ApiError && queue.error.status === 401) {
    return (
      <Alert color="red" title={t('You have been signed out')}>
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
    <div aria-busy="true" aria-label={t('Loading comparisons')} role="status">
      <Skeleton height={90} radius="md" mb="sm" />
      <div className={classes.pair}>
        <Skeleton height={320} radius="md" />
        <Skeleton height={320} radius="md" />
      </div>
    </div>
  );
}
