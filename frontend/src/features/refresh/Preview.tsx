import { Alert, Anchor, Collapse, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { ToCorrect } from '@/components/StartButtons';
import type { RefreshPreview, SetPreview } from '@/lib/api/types';
import { complaints } from '@/lib/formErrors';
import { number, span } from '@/lib/format';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';
import { computeWords, labelWords, skippedGroups } from './previewWords';
import { label } from './stages';

interface Props {
  preview: RefreshPreview | undefined;
  error: Error | null;
  set: SetPreview | undefined;
  setError: Error | null;
}

/** What a refresh would do and take, and what it could be trained on now. */
export function Preview({ preview, error, set, setError }: Props) {
  const [isOpen, { toggle }] = useDisclosure();
  if (error) return <ToCorrect error={error} />;
  if (!preview) return <Text c="dimmed">{t('Counting …')}</Text>;
  const asked = labelWords(preview);
  const isNothing = preview.labels?.n_chosen === 0;
  const isTooFew = !asked && !!set && (set.train === 0 || set.test === 0);
  const noPrompt = preview.candidates?.n_prompts === 0;
  return (
    <Alert color={isTooFew || noPrompt || isNothing ? 'orange' : 'blue'} variant="light" aria-live="polite">
      <Stack gap={6}>
        <Text fw={600}>{asked || (isNothing ? t('Nothing is left to ask for') : t('Nobody is asked: it trains on the ratings there are'))}</Text>
        <Text size="sm">{[...details(preview), computeWords(preview)].filter(Boolean).join(' ')}</Text>
        {noPrompt && (
          <Text size="sm">{t('No prompt fits: import prompts, take those with rated comparisons too, or choose from the pool as it is.')}</Text>
        )}
        {setError ? <Text size="sm">{complaints(setError)}</Text> : set && <Counts set={set} isTooFew={isTooFew} />}
        {skippedGroups(preview).map(({ stages, reason }) => (
          <Text key={reason} size="sm">
            {t('Stages left out: {{stages}}. {{reason}}', { stages, reason })}
          </Text>
        ))}
        <Anchor component="button" type="button" size="sm" ta="left" w="fit-content" onClick={toggle} aria-expanded={isOpen}>
          {isOpen ? t('Hide the stages') : t('Stage by stage')}
        </Anchor>
        <Collapse expanded={isOpen}>
          <Stack gap={2} maw={360} role="list">
            {preview.stages.map(({ name, skipped, seconds }) => (
              <Group key={name} justify="space-between" gap="xs" wrap="nowrap" role="listitem">
                <Text size="sm">{label(name)}</Text>
                <Text size="sm">{skipped ? t('left out') : seconds === null ? '' : span(seconds)}</Text>
              </Group>
            ))}
          </Stack>
        </Collapse>
      </Stack>
    </Alert>
  );
}

/** What is wrong, without the names of fields, which are those of the API. */
function details({ candidates, labels }: RefreshPreview): string[] {
  const told: string[] = [];
  if (candidates && candidates.n_prompts > 0) {
    told.push(
      t('Models write {{texts}} for {{prompts}}, {{tokens}} tokens at most.', {
        texts: t('{{count}} texts', { count: candidates.n_sampled }),
        prompts: t('{{count}} prompts', { count: candidates.n_prompts }),
        tokens: number(candidates.max_new_tokens),
      }),
    );
  }
  if (labels) {
    const pairs = t('{{count}} pairs', { count: labels.n_pairs });
    told.push(labels.is_estimate ? t('About {{pairs}} to choose from.', { pairs }) : t('{{pairs}} to choose from.', { pairs }));
    if (labels.n_chosen > 0) told.push(t('{{n}} comparisons with {{count}} ratings each.', { n: number(labels.n_chosen), count: labels.ratings_each }));
  }
  return told;
}

function Counts({ set, isTooFew }: { set: SetPreview; isTooFew: boolean }) {
  const leftOut = Object.entries(set.left_out).filter(([, n]) => n > 0);
  return (
    <Text size="sm">
      {[
        t('Rated by now: {{comparisons}} of {{prompts}}, {{ratings}}.', {
          comparisons: t('{{count}} comparisons', { count: set.comparisons }),
          prompts: t('{{count}} prompts', { count: set.prompts }),
          ratings: t('{{count}} ratings', { count: set.ratings }),
        }),
        t('{{train}} to train on, {{validation}} for validation, {{test}} held out.', {
          train: number(set.train),
          validation: number(set.validation),
          test: number(set.test),
        }),
        leftOut.length > 0 && t('Left out: {{reasons}}.', { reasons: leftOut.map(([why, n]) => `${number(n)} ${inWords(why)}`).join(', ') }),
        set.unrated > 0 && t('Without a rating: {{number}}.', { number: number(set.unrated) }),
        isTooFew && t('Too few to train and evaluate: rate more comparisons, or ask less of them here.'),
      ]
        .filter(Boolean)
        .join(' ')}
    </Text>
  );
}
