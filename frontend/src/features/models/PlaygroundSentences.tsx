import { Alert, Button, Card, Group, NativeSelect, SegmentedControl, Stack, Text, Title, VisuallyHidden } from '@mantine/core';
import { useState } from 'react';
import { Loading } from '@/components/States';
import type { PlaygroundAnswer, PlaygroundRewards, Sentence } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { answering, effectOf, fullTint, strongestFirst } from './playground';
import classes from './Playground.module.css';

interface Props {
  rows: PlaygroundRewards[];
  explanation: PlaygroundAnswer['explanation'];
  /** Where the model has not answered this time: what all of them said. */
  failed: PlaygroundRewards[];
  isPending: boolean;
  error: Error | null;
  ask: (model: string) => void;
  forget: () => void;
}

/** What the reward of one model changes when a sentence is left out, for every sentence. */
export function PlaygroundSentences({ rows, explanation, failed, isPending, error, ask, forget }: Props) {
  const models = answering(rows).map(({ model }) => model);
  const [chosen, setChosen] = useState('');
  const [order, setOrder] = useState('place');
  const name = models.some((model) => model.name === chosen) ? chosen : (models[0]?.name ?? '');
  const failure = error ?? failed.find(({ model }) => model.name === name)?.error;
  return (
    <section aria-labelledby="playground-sentences">
      <Title order={2} size="h4" mb={4} id="playground-sentences">
        {t('What moves the reward')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Each sentence is left out in turn, and the rest is scored again.')}
      </Text>
      <Group align="flex-end" gap="sm" mb="md">
        {models.length > 1 && (
          <NativeSelect
            label={t('Model')}
            data={models.map((model) => ({ value: model.name, label: `${model.project} v${model.version}` }))}
            value={name}
            onChange={(event) => {
              setChosen(event.currentTarget.value);
              forget();
            }}
          />
        )}
        {!explanation && (
          <Button variant="default" loading={isPending} onClick={() => ask(name)}>
            {t('Leave out each sentence')}
          </Button>
        )}
        {explanation && (
          <SegmentedControl
            aria-label={t('Order')}
            value={order}
            onChange={setOrder}
            data={[
              { value: 'place', label: t('In place') },
              { value: 'strength', label: t('Strongest first') },
            ]}
          />
        )}
      </Group>
      <div aria-live="polite" aria-busy={isPending}>
        {isPending && <Loading rows={3} />}
        {failure && (
          <Alert color="red" role="alert">
            {failure.message}
          </Alert>
        )}
        {explanation && <Explanation completions={explanation.completions} isSorted={order === 'strength'} />}
      </div>
    </section>
  );
}

function Explanation({ completions, isSorted }: { completions: { sentences: Sentence[] }[]; isSorted: boolean }) {
  const full = fullTint(completions);
  return (
    <Stack>
      <Group gap="md" aria-hidden>
        <Legend effect="carries" text={t('▼ the reward falls without it')} />
        <Legend effect="drags" text={t('▲ the reward rises without it')} />
      </Group>
      {completions.map(({ sentences }, place) => (
        <Card key={place} withBorder radius="md" component="article" aria-label={t('Sentences of completion {{number}}', { number: place + 1 })}>
          <Text size="xs" c="dimmed" fw={600} mb={4}>
            {t('Completion {{name}}', { name: place + 1 })}
          </Text>
          {isSorted ? (
            <Stack component="ol" gap={6} className={classes.list}>
              {strongestFirst(sentences).map((at) => {
                const sentence = sentences[at];
                return (
                  sentence && (
                    <Text key={at} component="li" size="sm">
                      <Change change={sentence.change} />
                      <span dir="auto" className={classes.text}>
                        <Tinted text={sentence.text.trim()} change={sentence.change} full={full} isBare />
                      </span>
                    </Text>
                  )
                );
              })}
            </Stack>
          ) : (
            <Text size="sm" component="div" dir="auto" lh={1.8} className={classes.text}>
              {sentences.map(({ text, change }, at) => (
                <Piece key={at} text={text} change={change} full={full} />
              ))}
            </Text>
          )}
          {sentences.length === 1 && (
            <Text size="sm" c="dimmed" mt={4}>
              {t('A single sentence: nothing is left without it.')}
            </Text>
          )}
        </Card>
      ))}
    </Stack>
  );
}

function Legend({ effect, text }: { effect: 'carries' | 'drags'; text: string }) {
  return (
    <Text size="xs">
      <span className={`${classes.sentence} ${classes[effect]}`} style={{ '--share': 1 } as React.CSSProperties}>
        {text}
      </span>
    </Text>
  );
}

/** A sentence where it stands: the white space around it is not tinted. */
function Piece({ text, change, full }: { text: string; change: number | null; full: number }) {
  const body = text.trim();
  const start = text.indexOf(body);
  return (
    <>
      {text.slice(0, start)}
      <Tinted text={body} change={change} full={full} />
      {text.slice(start + body.length)}
    </>
  );
}

interface TintedProps {
  text: string;
  change: number | null;
  full: number;
  /** The change is said elsewhere. */
  isBare?: boolean;
}

function Tinted({ text, change, full, isBare = false }: TintedProps) {
  const effect = effectOf(change);
  const style = { '--share': effect === 'none' ? 0 : Math.min(1, Math.abs(change ?? 0) / full) } as React.CSSProperties;
  return (
    <span className={`${classes.sentence} ${classes[effect]}`} style={style}>
      {text}
      {!isBare && <Change change={change} />}
    </span>
  );
}

const SIGNS = { carries: '▼', drags: '▲', none: '±' };

function Change({ change }: { change: number | null }) {
  if (change === null) return <span />;
  const effect = effectOf(change);
  const by = number(Math.abs(change), 2);
  const words = {
    carries: t('(without it {{by}} less)', { by }),
    drags: t('(without it {{by}} more)', { by }),
    none: t('(the same reward without it)'),
  };
  return (
    <span className={classes.change}>
      <span aria-hidden>
        {SIGNS[effect]}
        {by}
      </span>
      <VisuallyHidden>{words[effect]}</VisuallyHidden>
    </span>
  );
}
