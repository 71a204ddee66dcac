import { Alert, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useLocalStorage, useSessionStorage } from '@mantine/hooks';
import { IconArrowBackUp, IconBook2, IconCheck, IconKeyboard, IconX } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { HelpDialog } from '@/components/HelpDialog';
import { Markdown } from '@/components/Markdown';
import { RatingBar } from '@/components/RatingBar';
import { ShortcutButton } from '@/components/ShortcutButton';
import type { Qualification, QuizAnswer, QuizQuestion, QuizResult } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { choiceOf, choicesOf, verdictOf, type Choice } from '@/lib/intensity';
import { useMe, useProject } from '@/lib/session';
import { byId, type Shortcut } from '@/lib/shortcuts/shortcuts';
import { useShortcuts } from '@/lib/shortcuts/useShortcuts';
import classes from './Quiz.module.css';

/** A heading that has the focus when it comes, so that the keyboard and a screen reader start there. */
export function StepTitle({ order = 1, size, children }: { order?: 1 | 2; size?: string; children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    window.scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <Title order={order} size={size} ref={heading} tabIndex={-1} className={classes.heading}>
      {children}
    </Title>
  );
}

interface Props {
  qualification: Qualification & { version: number };
  isSending: boolean;
  problem: string;
  onHandIn: (answers: QuizAnswer[]) => void;
  onReadAgain: () => void;
}

/** The quiz of a version, one question at a time. Answers survive a reload; nothing is sent before the last step. */
export function Quiz({ qualification, isSending, problem, onHandIn, onReadAgain }: Props) {
  const project = useProject();
  const me = useMe();
  const { quiz, version, attempt } = qualification;
  const [answers, setAnswers] = useSessionStorage<QuizAnswer[]>({
    key: `touchstone:quiz:${me.data?.id}:${project.slug}:${version}:${attempt}`,
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const given = new Map(answers.map((answer) => [answer.example, answer]));
  const firstOpen = (among: ReadonlyMap<number, QuizAnswer>) => {
    const open = quiz.findIndex((question) => !among.has(question.id));
    return open === -1 ? quiz.length : open;
  };
  const [at, setAt] = useState(() => firstOpen(given));
  const question = quiz[at];
  if (!question) {
    return (
      <Check
        quiz={quiz}
        answers={given}
        isSending={isSending}
        problem={problem}
        onChange={setAt}
        onHandIn={() => onHandIn(answers)}
      />
    );
  }
  return (
    <Ask
      key={question.id}
      question={question}
      number={at + 1}
      n_questions={quiz.length}
      before={given.get(question.id)}
      onBack={at > 0 ? () => setAt(at - 1) : null}
      onReadAgain={onReadAgain}
      onChoose={({ preferred, intensity }) => {
        const next = new Map(given).set(question.id, { example: question.id, preferred, intensity });
        setAnswers(quiz.flatMap(({ id }) => next.get(id) ?? []));
        setAt(firstOpen(next));
      }}
    />
  );
}

interface AskProps {
  question: QuizQuestion;
  number: number;
  n_questions: number;
  before: QuizAnswer | undefined;
  onChoose: (choice: Choice) => void;
  onBack: (() => void) | null;
  onReadAgain: () => void;
}

/** One question, on a screen like the one for rating. */
function Ask({ question, number, n_questions, before, onChoose, onBack, onReadAgain }: AskProps) {
  const project = useProject();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [hasKeys, setHasKeys] = useLocalStorage({
    key: 'touchstone:single-keys',
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const choices = choicesOf(project.intensity_labels, project.ties_allowed);
  const shortcuts: Shortcut[] = [
    ...choices.map((choice) => ({ ...choice, perform: () => onChoose(choice) })),
    { id: 'guidelines', keyName: 'G', label: t('Back to the guidelines; the answers stay'), perform: onReadAgain },
    { id: 'back', keyName: 'Z', label: t('Back to the last question'), isEnabled: onBack !== null, perform: () => onBack?.() },
    { id: 'help', keyName: '?', label: t('Show these keys'), perform: () => setHelpOpen(true) },
  ];
  useShortcuts(shortcuts, hasKeys);
  return (
    <div className={classes.quiz}>
      <div className={classes.strip}>
        <StepTitle size="h3">{t('Quiz: question {{number}} of {{total}}', { number, total: n_questions })}</StepTitle>
        <Group gap={4} role="group" aria-label={t('Quiz')}>
          <ShortcutButton shortcut={byId(shortcuts, 'guidelines')} text={t('Guidelines')} leftSection={<IconBook2 size={16} aria-hidden />} />
          <ShortcutButton shortcut={byId(shortcuts, 'back')} text={t('Back')} leftSection={<IconArrowBackUp size={16} aria-hidden />} />
          <ShortcutButton shortcut={byId(shortcuts, 'help')} text={t('Keys')} leftSection={<IconKeyboard size={16} aria-hidden />} />
        </Group>
      </div>
      <Text size="sm" c="dimmed">
        {t('Which one do the guidelines prefer? How much better is fed back, and does not count.')}
      </Text>
      <QuestionTexts question={question} level={2} />
      <div className={classes.bar}>
        <RatingBar
          choices={choices}
          n_levels={project.intensity_labels.length}
          chosen={before ? choiceOf(before, choices) : null}
          onChoose={onChoose}
        />
      </div>
      <HelpDialog
        isOpen={isHelpOpen}
        onClose={() => setHelpOpen(false)}
        shortcuts={shortcuts}
        hasKeys={hasKeys}
        onHasKeys={setHasKeys}
      />
    </div>
  );
}

/** The prompt above, A and B below it. */
function QuestionTexts({ question, level }: { question: QuizQuestion; level: 2 | 3 }) {
  const sides = [['A', question.completion_a], ['B', question.completion_b]] as const;
  return (
    <>
      <div>
        <Title order={level} size="sm" c="dimmed" mb={4}>
          {t('Prompt')}
        </Title>
        <div className={classes.prompt}>
          <Markdown text={question.prompt} />
        </div>
      </div>
      <div className={classes.pair}>
        {sides.map(([letter, text]) => (
          <section key={letter} className={classes.side} aria-label={t('Completion {{letter}}', { letter })}>
            <span className={classes.letter} aria-hidden>
              {letter}
            </span>
            <Markdown text={text} />
          </section>
        ))}
      </div>
    </>
  );
}

interface CheckProps {
  quiz: QuizQuestion[];
  answers: ReadonlyMap<number, QuizAnswer>;
  isSending: boolean;
  problem: string;
  onChange: (at: number) => void;
  onHandIn: () => void;
}

/** All is answered: look it over, then hand it in. */
function Check({ quiz, answers, isSending, problem, onChange, onHandIn }: CheckProps) {
  const { intensity_labels } = useProject();
  return (
    <div className={classes.page}>
      <Stack gap="xs" mb="lg">
        <StepTitle>{t('All answered')}</StepTitle>
        <Text c="dimmed">{t('Nothing is sent yet. Look your answers over, then hand them in.')}</Text>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
      </Stack>
      <ol className={classes.answers}>
        {quiz.map((question, at) => {
          const answer = answers.get(question.id);
          return (
            <li key={question.id} className={classes.answer}>
              <Text size="sm" className={classes.excerpt} lineClamp={2}>
                {at + 1}. {question.prompt}
              </Text>
              <Text size="sm" fw={600}>
                {answer && verdictOf(answer, intensity_labels)}
              </Text>
              <Button
                size="compact-sm"
                variant="default"
                aria-label={t('Change answer {{number}}', { number: at + 1 })}
                onClick={() => onChange(at)}
              >
                {t('Change')}
              </Button>
            </li>
          );
        })}
      </ol>
      <div className={classes.actions}>
        <Button size="md" loading={isSending} onClick={onHandIn}>
          {t('Hand in')}
        </Button>
      </div>
    </div>
  );
}

interface ResultProps {
  qualification: Qualification;
  answers: QuizAnswer[];
  result: QuizResult;
  isLoading: boolean;
  onStart: () => void;
  onTryAgain: () => void;
  onReadAgain: () => void;
}

/** What was right, what the guidelines say and why, and where it goes on. */
export function QuizOutcome({ qualification, answers, result, isLoading, onStart, onTryAgain, onReadAgain }: ResultProps) {
  const { intensity_labels } = useProject();
  const { n_right: right, n_questions: total, n_attempts_left } = result;
  const questions = new Map(qualification.quiz.map((question) => [question.id, question]));
  const given = new Map(answers.map((answer) => [answer.example, answer]));
  return (
    <div className={classes.page}>
      <Stack gap="xs" mb="lg">
        <StepTitle>
          {result.passed ? t('Passed: {{right}} of {{total}} right', { right, total }) : t('Not passed: {{right}} of {{total}} right', { right, total })}
        </StepTitle>
        <Text role="status">
          {result.passed && t('You can start rating. The questions are among the worked examples from now on.')}
          {!result.passed && t('Right answers needed: {{needed}}.', { needed: qualification.n_needed })}{' '}
          {!result.passed && n_attempts_left > 0 && t('Read why below; you have {{count}} attempts left.', { count: n_attempts_left })}
          {!result.passed && n_attempts_left === 0 && t('No attempts are left. Ask a reviewer of the project to allow you another one.')}
        </Text>
      </Stack>
      <Stack>
        {result.answers.map((marked, position) => {
          const question = questions.get(marked.example);
          const answer = given.get(marked.example);
          return (
            <Card key={marked.example} withBorder className={classes.marked} data-right={marked.is_right || undefined}>
              <Stack gap="sm">
                <Group gap="xs">
                  {marked.is_right ? <IconCheck size={18} aria-hidden /> : <IconX size={18} aria-hidden />}
                  <Title order={2} size="h4">
                    {marked.is_right
                      ? t('Question {{number}}: right', { number: position + 1 })
                      : t('Question {{number}}: wrong', { number: position + 1 })}
                  </Title>
                </Group>
                {question && <QuestionTexts question={question} level={3} />}
                <Text size="sm">
                  {answer && <>{t('Your answer')}: <strong>{verdictOf(answer, intensity_labels)}</strong>. </>}
                  {t('The guidelines')}: <strong>{verdictOf(marked, intensity_labels)}</strong>.
                </Text>
                <Text size="sm">
                  <strong>{t('Why')}: </strong>
                  {marked.rationale}
                </Text>
              </Stack>
            </Card>
          );
        })}
      </Stack>
      <div className={classes.actions}>
        {result.passed ? (
          <Button size="md" loading={isLoading} onClick={onStart}>
            {t('Start rating')}
          </Button>
        ) : (
          <>
            <Button size="md" loading={isLoading} onClick={onTryAgain}>
              {n_attempts_left > 0 ? t('Try again ({{n}} left)', { n: n_attempts_left }) : t('Check again')}
            </Button>
            {n_attempts_left > 0 && (
              <Button size="md" variant="default" disabled={isLoading} onClick={onReadAgain}>
                {t('Read the guidelines again')}
              </Button>
            )}
          </>
        )}
      </div>
    </div>
  );
}
