import { Anchor, Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import type { RewardModelDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { hardErrors, type HardError } from './report';

const AT_FIRST = 5;

/** What it gets wrong by the widest gap, to be read: a wrong model or a wrong label. */
export function RewardModelErrors({ model }: { model: RewardModelDetail }) {
  const [areAllShown, setAllShown] = useState(false);
  const errors = hardErrors(model.report);
  if (errors.length === 0) return null;
  return (
    <section aria-labelledby="hard-errors">
      <Title order={2} size="h4" mb="xs" id="hard-errors">
        {t('Its hardest errors')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Held-out comparisons on which it is surest of the side that people did not prefer. Some are wrong labels: open them and settle them.')}
      </Text>
      <Stack>
        {(areAllShown ? errors : errors.slice(0, AT_FIRST)).map((error, position) => (
          <ErrorCard key={error.comparison_id ?? position} error={error} />
        ))}
      </Stack>
      {errors.length > AT_FIRST && (
        <Button mt="sm" variant="default" size="xs" onClick={() => setAllShown(!areAllShown)}>
          {areAllShown ? t('Show fewer') : t('Show all {{number}}', { number: number(errors.length) })}
        </Button>
      )}
    </section>
  );
}

function ErrorCard({ error }: { error: HardError }) {
  const { slug } = useProject();
  return (
    <Card withBorder radius="md" component="article">
      <Group justify="space-between" gap="xs" mb="xs">
        <Text size="sm" fw={600}>
          {t('Reward gap {{gap}}', { gap: number(error.reward_gap, 2) })}
          <Text span c="dimmed" fw={400} size="sm">
            {error.n_ratings !== null && ` · ${t('{{count}} ratings', { count: error.n_ratings })}`}
            {error.agreement !== null && ` · ${t('agreement {{share}}', { share: percent(error.agreement, 0) })}`}
          </Text>
        </Text>
        {error.comparison_id !== null && (
          <Anchor component={Link} size="sm" to={`/projects/${slug}/comparisons/${error.comparison_id}`}>
            {t('Comparison {{id}}', { id: error.comparison_id })}
          </Anchor>
        )}
      </Group>
      <Excerpts {...error} />
    </Card>
  );
}

/** A prompt with the side that people prefer and the other. */
export function Excerpts({ prompt, chosen, rejected }: { prompt: string; chosen: string; rejected: string }) {
  return (
    <>
      <Passage title={t('Prompt')} text={prompt} />
      <SimpleGrid cols={{ base: 1, sm: 2 }} mt="xs">
        <Passage title={t('People prefer')} text={chosen} />
        <Passage title={t('The other one')} text={rejected} />
      </SimpleGrid>
    </>
  );
}

function Passage({ title, text }: { title: string; text: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed" fw={600}>
        {title}
      </Text>
      <Text size="sm" dir="auto" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {text}
      </Text>
    </div>
  );
}
