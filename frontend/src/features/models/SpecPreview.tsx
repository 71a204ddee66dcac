import { Alert, Box, Card, Group, List, Stack, Text, Title } from '@mantine/core';
import { useId } from 'react';
import type { SetChoices, SetPreview } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { inWords } from '@/lib/words';
import { agreementCounts, batchCounts, intensityCounts, kindCounts, languageCounts, type NamedCount } from './specWords';

const AT_MOST = 8;

interface Props {
  preview: SetPreview | undefined;
  error: Error | null;
  choices: SetChoices;
  isCounting: boolean;
}

/** What a spec would give now. */
export function SpecPreview({ preview, error, choices, isCounting }: Props) {
  return (
    <Card component="section" withBorder radius="md" aria-label={t('What would be in it')}>
      <Title order={2} size="h4" mb="xs">
        {t('What would be in it')}
      </Title>
      {error ? (
        <Alert color="yellow" role="alert">
          {error.message}
        </Alert>
      ) : !preview ? (
        <Text c="dimmed">{t('Counting …')}</Text>
      ) : (
        <Box aria-busy={isCounting} opacity={isCounting ? 0.75 : 1}>
          <Counts preview={preview} choices={choices} />
        </Box>
      )}
    </Card>
  );
}

function Counts({ preview, choices }: { preview: SetPreview; choices: SetChoices }) {
  const leftOut = Object.entries(preview.left_out).filter(([, n]) => n > 0);
  const { disagreement } = preview;
  return (
    <Stack gap="md">
      <div aria-live="polite">
        <Text fz={28} fw={650} lh={1.2} style={{ fontVariantNumeric: 'tabular-nums' }}>
          {t('{{count}} comparisons', { count: preview.comparisons })}
        </Text>
        <Text size="sm" c="dimmed">
          {t('{{train}} to train on, {{validation}} for validation, {{test}} held out.', {
            train: number(preview.train),
            validation: number(preview.validation),
            test: number(preview.test),
          })}{' '}
          {t('{{prompts}}, {{ratings}}.', {
            prompts: t('{{count}} prompts', { count: preview.prompts }),
            ratings: t('{{count}} ratings', { count: preview.ratings }),
          })}
        </Text>
        {preview.ai.comparisons > 0 && (
          <Text size="sm">
            {t('On top of them {{n}} with AI ratings to train on, {{share}} of the set.', {
              n: t('{{count}} comparisons', { count: preview.ai.comparisons }),
              share: percent(preview.ai.share, 0),
            })}
          </Text>
        )}
      </div>
      {preview.warnings.length > 0 && (
        <Alert color="orange" variant="light">
          <Text size="sm" fw={600} mb={4}>
            {t('Before you make it')}
          </Text>
          <List size="sm" spacing={4}>
            {preview.warnings.map(({ code, message }) => (
              <List.Item key={code}>{message}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      <Text size="sm">
        {disagreement.share === null
          ? t('No comparison has several ratings: agreement is not known.')
          : t('Labellers disagree on {{share}} of {{n}} with several ratings; the limit is {{limit}}.', {
              share: percent(disagreement.share, 0),
              n: t('{{count}} comparisons', { count: disagreement.n }),
              limit: percent(disagreement.limit, 0),
            })}
        {preview.hard > 0 && ` ${t('{{count}} are kept as hard ones.', { count: preview.hard })}`}
      </Text>
      <Bars title={t('Agreement')} counts={agreementCounts(preview.by_agreement)} />
      <Bars title={t('Intensity of the ratings')} counts={intensityCounts(preview.by_intensity, choices.intensity_labels)} />
      <Bars title={t('With a completion of')} counts={kindCounts(preview.by_source_kind)} />
      {preview.by_language.length > 1 && <Bars title={t('Languages')} counts={languageCounts(preview.by_language)} />}
      {preview.by_batch.length > 1 && <Bars title={t('Asked for by')} counts={batchCounts(preview.by_batch)} />}
      {(leftOut.length > 0 || preview.unrated > 0) && (
        <Bars
          title={t('Left out')}
          counts={[
            ...leftOut.map(([why, n]) => ({ name: inWords(why), n })),
            ...(preview.unrated > 0 ? [{ name: t('without a rating'), n: preview.unrated }] : []),
          ]}
        />
      )}
    </Stack>
  );
}

/** Counts with bars that compare them. */
function Bars({ title, counts }: { title: string; counts: NamedCount[] }) {
  const heading = useId();
  if (counts.length === 0) return null;
  const most = Math.max(...counts.map(({ n }) => n), 1);
  const rest = counts.slice(AT_MOST).reduce((sum, { n }) => sum + n, 0);
  const shown = rest > 0 ? [...counts.slice(0, AT_MOST), { name: t('all others'), n: rest }] : counts;
  return (
    <section aria-labelledby={heading}>
      <Title order={3} size="h6" mb={4} id={heading}>
        {title}
      </Title>
      <Stack gap={2} role="list">
        {shown.map(({ name, n }) => (
          <div key={name} role="listitem">
            <Group justify="space-between" gap="xs" wrap="nowrap">
              <Text size="sm">{name}</Text>
              <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
                {number(n)}
              </Text>
            </Group>
            <Box h={4} bg="var(--mantine-color-default-hover)" style={{ borderRadius: 2, overflow: 'hidden' }} aria-hidden>
              <Box h="100%" w={`${Math.min(100, (100 * n) / most)}%`} bg="var(--mantine-primary-color-filled)" />
            </Box>
          </div>
        ))}
      </Stack>
    </section>
  );
}
