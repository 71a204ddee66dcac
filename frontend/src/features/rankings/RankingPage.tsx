import { Alert, Anchor, Button, Group, Skeleton, Text, VisuallyHidden } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { Link } from 'react-router';
import { UnreadMessages } from '@/components/Messages';
import { complain } from '@/components/notify';
import { CONTENT_WARNING } from '@/components/ReasonDialog';
import { EmptyState, ErrorState, Loading } from '@/components/States';
import { SignInAgain, UnsentCount, UnsentNotice, useOutbox } from '@/components/UnsentNotice';
import { ApiError } from '@/lib/api/client';
import type { Block, Settled } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useMe, useProject } from '@/lib/session';
import { inLetters } from './order';
import classes from './Ranking.module.css';
import { RankingScreen } from './RankingScreen';
import { RankingSession, type RankingSnapshot } from './session';

/** Put the completions of one prompt after the other in order, by keyboard or by drag. */
export function RankingPage() {
  useDocumentTitle(`${t('Ranking')} · Touchstone`);
  const me = useMe();
  const { slug } = useProject();
  if (!me.data) return <Loading />;
  return <Rankings key={`${me.data.id}/${slug}`} userId={me.data.id} />;
}

function tellRejected(outcome: Settled) {
  complain(new ApiError(409, outcome.code, t('A ranking was not taken. {{detail}}', { detail: outcome.detail })));
}

function Rankings({ userId }: { userId: number }) {
  const { slug, sensitive_tags } = useProject();
  const [session] = useState(() => new RankingSession({ userId, slug, onRejected: tellRejected }));
  useEffect(() => {
    session.start();
    return () => session.stop();
  }, [session]);
  const snapshot = useSyncExternalStore(session.subscribe, session.getSnapshot);
  const [last, setLast] = useState('');

  const [ranking] = snapshot.rankings;
  if (!ranking && snapshot.block) {
    return (
      <Blocked block={snapshot.block} session={session} isChecking={snapshot.isLoading}>
        <UnsentNotice outbox={session.outbox} isOfRankings />
        <UnreadMessages />
      </Blocked>
    );
  }

  const status = <Status session={session} snapshot={snapshot} last={last} />;
  const setAside = (done: Promise<void>) => {
    setLast(t('Skipped'));
    done.catch(complain);
  };
  return (
    <div className={classes.screen}>
      <VisuallyHidden>
        <h1>{t('Rank completions')}</h1>
      </VisuallyHidden>
      <Announcer session={session} snapshot={snapshot} last={last} />
      <UnsentNotice outbox={session.outbox} isOfRankings />
      <UnreadMessages heldFor={ranking?.id} />
      {ranking ? (
        <RankingScreen
          key={ranking.id}
          ranking={ranking}
          status={status}
          onSubmit={(given) => {
            if (session.submit(ranking.id, given)) setLast(t('Ranked: {{order}}', { order: inLetters(given.tiers) }));
          }}
          onSkip={(reason) => setAside(session.skip(ranking.id, reason))}
          onDecline={(categories) => setAside(session.decline(ranking.id, categories, sensitive_tags, CONTENT_WARNING))}
        />
      ) : (
        <>
          <div className={classes.strip}>{status}</div>
          <NoRanking session={session} snapshot={snapshot} />
        </>
      )}
    </div>
  );
}

interface BlockedProps {
  block: Block;
  session: RankingSession;
  isChecking: boolean;
  /** What has to be seen all the same. */
  children: ReactNode;
}

/** Paused, or the guidelines come first: those are read, and their quiz is taken, on the page that rates pairs. */
function Blocked({ block: { code, detail }, session, isChecking, children }: BlockedProps) {
  const { slug } = useProject();
  if (code === 'paused') {
    return (
      <div className={classes.gate}>
        {children}
        <EmptyState
          title={t('You are paused in this project')}
          action={
            <Button onClick={() => void session.refill()} loading={isChecking}>
              {t('Check again')}
            </Button>
          }
        >
          {detail} {t('The reviewers have been told; they can let you go on.')}
        </EmptyState>
      </div>
    );
  }
  return (
    <div className={classes.gate}>
      {children}
      <EmptyState
        title={t('The guidelines come first')}
        action={
          <Button component={Link} to={`/projects/${slug}/label`}>
            {t('To the guidelines')}
          </Button>
        }
      >
        {detail}
      </EmptyState>
    </div>
  );
}

interface StateProps {
  session: RankingSession;
  snapshot: RankingSnapshot;
}

/** "3 today · 12 left", what is unsent, and what was done last. */
function Status({ session, snapshot: { progress, rankings }, last }: StateProps & { last: string }) {
  const { unsent } = useOutbox(session.outbox);
  if (!progress) return <span />;
  const left = progress.available_is_capped
    ? t('{{n}}+ left', { n: number(progress.available) })
    : t('{{n}} left', { n: number(progress.available + rankings.length) });
  return (
    <Text size="sm" component="div">
      {t('{{n}} today', { n: number(progress.ranked_today + unsent) })} · {left} <UnsentCount outbox={session.outbox} />
      <Text span size="sm" c="dimmed" aria-hidden>
        {last && ` · ${last}`}
      </Text>
    </Text>
  );
}

/** Says aloud what was done and what comes. Stays in the page, since what appears together with its text is not read. */
function Announcer({ session, snapshot: { progress, rankings, isExhausted }, last }: StateProps & { last: string }) {
  const { unsent } = useOutbox(session.outbox);
  const next = rankings.length > 0 ? t('Next ranking.') : isExhausted ? t('Nothing is left.') : '';
  // With the count, so that the same answer twice is said twice.
  const n = (progress?.ranked_today ?? 0) + unsent;
  return <VisuallyHidden role="status">{last && `${last}. ${t('{{n}} today', { n })}. ${next}`}</VisuallyHidden>;
}

/** Nothing to show: loading, done, signed out, or the server does not answer. */
function NoRanking({ session, snapshot: { isExhausted, isLoading, progress, error } }: StateProps) {
  const { unsent, state } = useOutbox(session.outbox);
  if (isExhausted) {
    return (
      <NothingToRank
        n_ranked={progress?.ranked_total ?? 0}
        isChecking={isLoading}
        onCheck={() => void session.refill()}
      />
    );
  }
  if (unsent > 0 && state !== 'idle' && state !== 'sending') {
    // The notice above says why.
    return <Text c="dimmed">{t('The next rankings come once yours are sent.')}</Text>;
  }
  if (error instanceof ApiError && error.status === 401) {
    return (
      <Alert color="red" title={t('You have been signed out')}>
        <SignInAgain />
      </Alert>
    );
  }
  if (error && !isLoading) return <ErrorState error={error} retry={() => void session.refill()} />;
  return (
    <div aria-busy="true" aria-label={t('Loading rankings')} role="status">
      {[90, 120, 120, 120].map((height, position) => (
        <Skeleton key={position} height={height} radius="md" mb="sm" />
      ))}
    </div>
  );
}

interface NothingProps {
  n_ranked: number;
  isChecking: boolean;
  onCheck: () => void;
}

function NothingToRank({ n_ranked, isChecking, onCheck }: NothingProps) {
  const { slug, ranking_size } = useProject();
  const mayImport = useMay('import');
  return (
    <EmptyState
      title={n_ranked > 0 ? t('You are done for now') : t('Nothing to rank yet')}
      action={
        <Group justify="center">
          <Button onClick={onCheck} loading={isChecking}>
            {t('Check again')}
          </Button>
          {mayImport && (
            <Button variant="default" component={Link} to={`/projects/${slug}/imports`}>
              {t('Import prompts')}
            </Button>
          )}
        </Group>
      }
    >
      {ranking_size === null ? (
        <>
          {t('This project asks for pairs.')}{' '}
          <Anchor underline="always" component={Link} to={`/projects/${slug}/label`}>
            {t('Rate comparisons')}
          </Anchor>
        </>
      ) : n_ranked > 0 ? (
        t('You have made {{count}} rankings here. The others have all they want, or other labellers have them on their screens.', { count: n_ranked })
      ) : (
        t('No ranking waits for you. One is made of each imported prompt that has three completions or more.')
      )}
    </EmptyState>
  );
}
