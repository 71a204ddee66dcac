import { Card, Group, List, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { CSSProperties } from 'react';
import { api } from '@/lib/api/client';
import type { ComparisonAnswer, ComparisonDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { leaning, reasonInWords } from './reasons';
import classes from './Review.module.css';
import { intensityLabel } from './words';

interface Part {
  side: 'a' | 'tie' | 'b';
  name: string;
  share: number;
}

const GROUND: Record<Part['side'], string> = {
  a: 'var(--chart-main)', tie: 'var(--mantine-color-gray-6)', b: 'var(--chart-second)',
};

/** Shares of A, tie and B as one bar, with the numbers below it. */
export function Shares({ label, parts }: { label: string; parts: Part[] }) {
  const said = parts.map(({ name, share }) => `${name} ${percent(share, 0)}`).join(', ');
  return (
    <div>
      <div role="img" aria-label={`${label}: ${said}`} className={classes.parts}>
        {parts.map(({ side, share }) => (
          <span key={side} className={classes.part} data-side={side} style={{ '--share': share } as CSSProperties} />
        ))}
      </div>
      <Group gap="md" mt={4} aria-hidden>
        {parts.map(({ side, name, share }) => (
          <Text key={side} size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
            <span className={classes.swatch} style={{ background: GROUND[side] }} />
            {name} {percent(share, 0)}
          </Text>
        ))}
      </Group>
    </div>
  );
}

/** What all ratings say together, what the reward model says, and why a reviewer should look. */
export function Opinions({ comparison }: { comparison: ComparisonDetail }) {
  const { slug, intensity_labels } = useProject();
  const found = useQuery({
    queryKey: ['projects', slug, 'comparisons', String(comparison.id), 'answer'],
    queryFn: () => api.get<ComparisonAnswer>(`projects/${slug}/comparisons/${comparison.id}/answer`),
  });
  if (!found.data) return null;
  const { answer, model, cross_fitted, reasons } = found.data;
  const flagKinds = comparison.flags.filter((flag) => !flag.resolved_at).map(({ kind }) => kind);
  const isOpen = comparison.state !== 'adjudicated' && !comparison.is_gold;
  if (!answer && !model && reasons.length === 0) return null;
  const lean = answer && leaning(answer);
  const level = lean && Math.min(intensity_labels.length, Math.max(1, Math.round(lean.size)));
  return (
    <Card withBorder radius="md" component="section" aria-label={t('What is known')}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        {answer && (
          <Stack gap={6}>
            <Title order={2} size="h5">
              {t('All ratings together')}
            </Title>
            <Shares
              label={t('All ratings together')}
              parts={[
                { side: 'a', name: 'A', share: answer.p_a },
                { side: 'tie', name: t('Tie'), share: answer.p_tie },
                { side: 'b', name: 'B', share: answer.p_b },
              ]}
            />
            <Text size="sm" c="dimmed">
              {lean && level
                ? t('Expected: {{side}} by {{size}} of {{levels}}, about “{{label}}”. Ratings weigh by how reliable their labellers are.', {
                    side: lean.side,
                    size: number(lean.size, 1),
                    levels: intensity_labels.length,
                    label: intensityLabel(intensity_labels, level),
                  })
                : t('Neither side is expected to be better. Ratings weigh by how reliable their labellers are.')}
            </Text>
          </Stack>
        )}
        {model && (
          <Stack gap={6}>
            <Title order={2} size="h5">
              {t('Reward model v{{version}}', { version: model.version })}
            </Title>
            <Shares
              label={t('Reward model v{{version}}', { version: model.version })}
              parts={[
                { side: 'a', name: 'A', share: model.p_a },
                { side: 'b', name: 'B', share: 1 - model.p_a },
              ]}
            />
            <Text size="sm" c="dimmed">
              {model.is_held_out
                ? t('This comparison was held out of its training.')
                : t('It was trained on this comparison: that it agrees with the ratings says little.')}
            </Text>
          </Stack>
        )}
      </SimpleGrid>
      {isOpen && reasons.length > 0 && (
        <>
          <Title order={2} size="h5" mt={answer || model ? 'md' : 0}>
            {t('Why look at it')}
          </Title>
          <List size="sm" mt={4}>
            {reasons.map((reason) => (
              <List.Item key={reason}>{reasonInWords(reason, { ...comparison, flagKinds, model, cross_fitted })}</List.Item>
            ))}
          </List>
        </>
      )}
    </Card>
  );
}
