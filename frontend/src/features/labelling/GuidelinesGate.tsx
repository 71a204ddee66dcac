import { Alert, Button, Stack, Text } from '@mantine/core';
import { useEffect, useEffectEvent, useState } from 'react';
import { GuidelinesText } from '@/components/GuidelinesText';
import { complain } from '@/components/notify';
import { Loaded } from '@/components/States';
import { ApiError } from '@/lib/api/client';
import type { Qualification, QuizAnswer, QuizResult, Standing } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { useGuidelines } from './guidelines';
import { useHandIn, useQualification } from './qualification';
import { Quiz, QuizOutcome, StepTitle } from './Quiz';
import classes from './Quiz.module.css';

interface Props {
  /** Why there is no work, from the block of the queue's answer. */
  standing: Exclude<Standing, 'ok'>;
  /** The labeller may work now: ask the queue again. */
  onPassed: () => void;
}

/** Before the first pair, and again when a version changes what ratings mean: the guidelines and their quiz. */
export function GuidelinesGate({ standing, onPassed }: Props) {
  const { slug } = useProject();
  const query = useQualification(slug, standing);
  return (
    <Loaded query={query} rows={8}>
      {(qualification) => (
        <Steps
          qualification={qualification}
          isLoading={query.isFetching}
          onReload={async () => {
            await query.refetch();
          }}
          onPassed={onPassed}
        />
      )}
    </Loaded>
  );
}

type Step = { name: 'read' | 'quiz' } | { name: 'outcome'; of: Qualification; answers: QuizAnswer[]; result: QuizResult };

interface StepsProps {
  qualification: Qualification;
  isLoading: boolean;
  onReload: () => Promise<void>;
  onPassed: () => void;
}

function Steps({ qualification, isLoading, onReload, onPassed }: StepsProps) {
  const { slug } = useProject();
  const [step, setStep] = useState<Step>({ name: 'read' });
  const [problem, setProblem] = useState('');
  const handIn = useHandIn(slug);
  const { version } = qualification;

  const goTo = async (name: 'read' | 'quiz') => {
    await onReload();
    setStep({ name });
  };
  const send = (answers: QuizAnswer[]) => {
    if (version === null) return;
    setProblem('');
    handIn.mutate(
      { version, attempt: qualification.attempt, answers },
      {
        onSuccess: (result) => {
          if (result.n_questions === 0) onPassed();
          else setStep({ name: 'outcome', of: qualification, answers, result });
        },
        onError: (error) => {
          // A newer version, or another tab that was faster: say so and begin again with what is so now.
          if (error instanceof ApiError && error.status === 409) {
            complain(error);
            void goTo('read');
          } else {
            setProblem(error instanceof ApiError ? error.detail : String(error));
          }
        },
      },
    );
  };

  if (step.name === 'outcome') {
    return (
      <QuizOutcome
        qualification={step.of}
        answers={step.answers}
        result={step.result}
        isLoading={isLoading}
        onStart={onPassed}
        onTryAgain={() => void goTo('quiz')}
        onReadAgain={() => void goTo('read')}
      />
    );
  }
  if (version === null || qualification.standing === 'ok') return <Ready onPassed={onPassed} />;
  if (qualification.standing === 'failed') {
    return <NoAttemptsLeft version={version} isLoading={isLoading} onCheck={() => void onReload()} />;
  }
  if (step.name === 'quiz' && qualification.standing === 'must_pass') {
    return (
      <Quiz
        key={`${version}/${qualification.attempt}`}
        qualification={{ ...qualification, version }}
        isSending={handIn.isPending}
        problem={problem}
        onHandIn={send}
        onReadAgain={() => setStep({ name: 'read' })}
      />
    );
  }
  return (
    <Read
      key={version}
      qualification={qualification}
      version={version}
      isSending={handIn.isPending}
      problem={problem}
      onRead={() => send([])}
      onQuiz={() => setStep({ name: 'quiz' })}
    />
  );
}

interface ReadProps {
  qualification: Qualification;
  version: number;
  isSending: boolean;
  problem: string;
  onRead: () => void;
  onQuiz: () => void;
}

/** The text, then the way on: to the quiz, or to rating where there is none. */
function Read({ qualification, version, isSending, problem, onRead, onQuiz }: ReadProps) {
  const { slug, intensity_labels } = useProject();
  const { quiz, n_needed: needed, n_attempts_left, passed_version } = qualification;
  const isUpdate = passed_version !== null;
  return (
    <div className={classes.page}>
      <Loaded query={useGuidelines(slug, version)} rows={8}>
        {(found) => (
          <>
            <Stack gap="xs" mb="lg">
              <StepTitle>{isUpdate ? t('The guidelines have changed') : t('Before you start: the guidelines')}</StepTitle>
              <Text c="dimmed">
                {t('Version {{number}}. While you rate, “Guidelines” (key G) shows them again.', { number: version })}
              </Text>
              {quiz.length > 0 && (
                <Text>
                  {t('A quiz of {{count}} questions follows. Right answers needed: {{needed}}.', { count: quiz.length, needed })}{' '}
                  {t('You have {{count}} attempts left.', { count: n_attempts_left })}
                </Text>
              )}
              {isUpdate && found.change_note && (
                <Alert title={t('What is new')} color="yellow">
                  {found.change_note}
                </Alert>
              )}
              {problem && (
                <Alert color="red" role="alert">
                  {problem}
                </Alert>
              )}
            </Stack>
            <GuidelinesText version={found} labels={intensity_labels} />
            <div className={classes.actions}>
              {quiz.length > 0 ? (
                <Button size="md" onClick={onQuiz}>
                  {t('Go to the quiz')}
                </Button>
              ) : (
                <Button size="md" loading={isSending} onClick={onRead}>
                  {isUpdate ? t('Go on rating') : t('Start rating')}
                </Button>
              )}
            </div>
          </>
        )}
      </Loaded>
    </div>
  );
}

/** Nothing stands in the way any more, perhaps since another tab or a reviewer has seen to it. */
function Ready({ onPassed }: { onPassed: () => void }) {
  const goOn = useEffectEvent(onPassed);
  useEffect(() => goOn(), []);
  return (
    <div className={classes.page}>
      <Stack gap="sm" align="flex-start">
        <StepTitle>{t('You can start rating')}</StepTitle>
        <Button size="md" onClick={onPassed}>
          {t('Start rating')}
        </Button>
      </Stack>
    </div>
  );
}

function NoAttemptsLeft({ version, isLoading, onCheck }: { version: number; isLoading: boolean; onCheck: () => void }) {
  const { slug, intensity_labels } = useProject();
  return (
    <div className={classes.page}>
      <Stack gap="sm" align="flex-start" mb="xl">
        <StepTitle>{t('The quiz was not passed')}</StepTitle>
        <Text role="status">{t('No attempts are left. Ask a reviewer of the project to allow you another one.')}</Text>
        <Button size="md" loading={isLoading} onClick={onCheck}>
          {t('Check again')}
        </Button>
      </Stack>
      <Loaded query={useGuidelines(slug, version)} rows={8}>
        {(found) => <GuidelinesText version={found} labels={intensity_labels} />}
      </Loaded>
    </div>
  );
}
