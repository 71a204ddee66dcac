import { ActionIcon, Alert, Button, Group, Kbd, NativeSelect, SimpleGrid, Stack, Text, Textarea, Title, Tooltip } from '@mantine/core';
import { getHotkeyHandler } from '@mantine/hooks';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState, type KeyboardEventHandler } from 'react';
import { Link } from 'react-router';
import { tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loaded, Loading } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { Playground, PlaygroundAnswer, PromptDetail } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { PickPrompt } from './PickPrompt';
import { EMPTY, isComplete, nextRole, type Texts } from './playground';
import { PlaygroundRewardsTable } from './PlaygroundRewardsTable';
import { PlaygroundSentences } from './PlaygroundSentences';

const ROLES = [
  { value: 'user', label: t('User') },
  { value: 'assistant', label: t('Assistant') },
  { value: 'system', label: t('System') },
];

/** Texts of one's own, what every promoted model makes of them, and which sentences it is about. */
export function PlaygroundPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const playground = useQuery({
    queryKey: ['projects', slug, 'playground'],
    queryFn: () => api.get<Playground>(`projects/${slug}/playground`),
  });
  return (
    <>
      <PageHeader
        title={t('Playground')}
        description={t('Rewards of texts of your own by the promoted models of all your projects. Only differences between completions of one prompt mean something, and each model has a scale of its own.')}
      />
      <Loaded query={playground}>
        {(found) =>
          found.models.length === 0 ? (
            <EmptyState
              title={t('No reward model is promoted')}
              action={
                <Button component={Link} to={`/projects/${slug}/reward-models${mayTrain ? '/new' : ''}`}>
                  {mayTrain ? t('Train a reward model') : t('Reward models')}
                </Button>
              }
            >
              {t('The scorer serves promoted models. Train one and promote it; then it answers here.')}
            </EmptyState>
          ) : (
            <Workbench playground={found} />
          )
        }
      </Loaded>
    </>
  );
}

interface Asked extends Texts {
  explain?: boolean;
  explain_model?: string;
}

function usePlay() {
  const { slug } = useProject();
  return useMutation({
    mutationFn: (body: Asked) => api.post<PlaygroundAnswer>(`projects/${slug}/playground`, body),
    // A model that was promoted a moment ago is being loaded.
    retry: (failures, error) => failures < 3 && error instanceof ApiError && error.code === 'scorer_unavailable',
    retryDelay: 1_000,
  });
}

function Workbench({ playground }: { playground: Playground }) {
  const [texts, setTexts] = useState<Texts>(EMPTY);
  const score = usePlay();
  const explain = usePlay();
  const change = (changed: Partial<Texts>) => {
    setTexts({ ...texts, ...changed });
    score.reset();
    explain.reset();
  };
  const canScore = isComplete(texts) && !score.isPending;
  const submit = () => {
    if (!canScore) return;
    explain.reset();
    score.mutate(texts);
  };
  // Enter alone begins a new line.
  const onKeyDown = getHotkeyHandler([['mod+Enter', submit]]);
  const pick = ({ messages, completions }: PromptDetail) => {
    const taken = completions.slice(0, playground.max_completions).map(({ text }) => text);
    change({ messages, completions: taken.length > 0 ? taken : EMPTY.completions });
    if (taken.length < completions.length) {
      tell(t('The first {{n}} of its {{total}} completions were taken.', { n: taken.length, total: completions.length }));
    }
  };
  return (
    <Stack gap="xl">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <Turns messages={texts.messages} onChange={(messages) => change({ messages })} onPick={pick} onKeyDown={onKeyDown} />
          <Completions
            completions={texts.completions}
            most={playground.max_completions}
            maxChars={playground.max_chars}
            onChange={(completions) => change({ completions })}
            onKeyDown={onKeyDown}
          />
        </SimpleGrid>
        <Group mt="md" gap="sm">
          <Button type="submit" disabled={!isComplete(texts)} loading={score.isPending}>
            {t('Score')}
          </Button>
          <Text size="sm" c="dimmed" visibleFrom="sm">
            <Kbd size="xs">{t('Ctrl')}</Kbd> + <Kbd size="xs">{t('Enter')}</Kbd>
          </Text>
        </Group>
      </form>
      <div aria-live="polite" aria-busy={score.isPending}>
        {score.isPending && <Loading rows={texts.completions.length + 1} />}
        {score.error && canAgain(score.error) && <ErrorState error={score.error} retry={submit} />}
        {score.error && !canAgain(score.error) && (
          <Alert color="red" role="alert">
            {score.error.message}
          </Alert>
        )}
        {score.data && <PlaygroundRewardsTable rows={score.data.models} completions={texts.completions} />}
      </div>
      {score.data && (
        <PlaygroundSentences
          rows={score.data.models}
          explanation={explain.data?.explanation ?? null}
          failed={explain.data?.explanation === null ? explain.data.models : []}
          isPending={explain.isPending}
          error={explain.error}
          ask={(explain_model) => explain.mutate({ ...texts, explain: true, explain_model })}
          forget={() => explain.reset()}
        />
      )}
    </Stack>
  );
}

/** Whether the same texts may do better the next time. */
const canAgain = (error: Error) => error instanceof ApiError && (error.status === 0 || error.status >= 500);

interface TurnsProps {
  messages: Texts['messages'];
  onChange: (messages: Texts['messages']) => void;
  onPick: (prompt: PromptDetail) => void;
  onKeyDown: KeyboardEventHandler<HTMLElement>;
}

function Turns({ messages, onChange, onPick, onKeyDown }: TurnsProps) {
  const set = (place: number, changed: Partial<Texts['messages'][number]>) =>
    onChange(messages.map((message, at) => (at === place ? { ...message, ...changed } : message)));
  return (
    <section aria-labelledby="playground-prompt" style={{ minWidth: 0 }}>
      <Group justify="space-between" mb="sm" mih={36}>
        <Title order={2} size="h4" id="playground-prompt">
          {t('Prompt')}
        </Title>
        <PickPrompt onPick={onPick} />
      </Group>
      <Stack gap="sm">
        {messages.map(({ role, content }, place) => (
          <div key={place}>
            <Group justify="space-between" mb={4} wrap="nowrap">
              <NativeSelect
                size="xs"
                aria-label={t('Who speaks in turn {{number}}', { number: place + 1 })}
                data={ROLES.some(({ value }) => value === role) ? ROLES : [...ROLES, role]}
                value={role}
                onChange={(event) => set(place, { role: event.currentTarget.value })}
              />
              {messages.length > 1 && (
                <RemoveButton
                  label={t('Remove turn {{number}}', { number: place + 1 })}
                  onClick={() => onChange(messages.filter((_, at) => at !== place))}
                />
              )}
            </Group>
            <Textarea
              aria-label={t('Turn {{number}}', { number: place + 1 })}
              autosize
              minRows={messages.length === 1 ? 4 : 2}
              maxRows={16}
              dir="auto"
              onKeyDown={onKeyDown}
              value={content}
              onChange={(event) => set(place, { content: event.currentTarget.value })}
            />
          </div>
        ))}
        <AddButton onClick={() => onChange([...messages, { role: nextRole(messages), content: '' }])}>{t('Another turn')}</AddButton>
      </Stack>
    </section>
  );
}

interface CompletionsProps {
  completions: string[];
  most: number;
  maxChars: number;
  onChange: (completions: string[]) => void;
  onKeyDown: KeyboardEventHandler<HTMLElement>;
}

function Completions({ completions, most, maxChars, onChange, onKeyDown }: CompletionsProps) {
  return (
    <section aria-labelledby="playground-completions" style={{ minWidth: 0 }}>
      <Group mb="sm" mih={36}>
        <Title order={2} size="h4" id="playground-completions">
          {t('Completions')}
        </Title>
      </Group>
      <Stack gap="sm">
        {completions.map((text, place) => (
          <div key={place}>
            <Group justify="space-between" mb={4} wrap="nowrap" mih={30}>
              <Text component="label" size="sm" fw={500} htmlFor={`playground-completion-${place}`}>
                {t('Completion {{name}}', { name: place + 1 })}
              </Text>
              {completions.length > 1 && (
                <RemoveButton
                  label={t('Remove completion {{number}}', { number: place + 1 })}
                  onClick={() => onChange(completions.filter((_, at) => at !== place))}
                />
              )}
            </Group>
            <Textarea
              id={`playground-completion-${place}`}
              autosize
              minRows={2}
              maxRows={16}
              maxLength={maxChars}
              dir="auto"
              onKeyDown={onKeyDown}
              value={text}
              onChange={(event) => onChange(completions.map((other, at) => (at === place ? event.currentTarget.value : other)))}
            />
          </div>
        ))}
        {completions.length < most && <AddButton onClick={() => onChange([...completions, ''])}>{t('Another completion')}</AddButton>}
      </Stack>
    </section>
  );
}

function RemoveButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Tooltip label={t('Remove')}>
      <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={onClick}>
        <IconTrash size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

function AddButton({ children, onClick }: { children: string; onClick: () => void }) {
  return (
    <Button variant="default" size="xs" w="fit-content" leftSection={<IconPlus size={14} aria-hidden />} onClick={onClick}>
      {children}
    </Button>
  );
}
