import { Anchor, Badge, Card, Group, Spoiler, Stack, Text, Title } from '@mantine/core';
import { IconRobot } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { AiRating, JudgedComparison } from '@/lib/api/types';
import { percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { judgeName, versionName } from '@/lib/judges';
import { useProject } from '@/lib/session';
import { Shares } from './Opinions';

/** What AI labellers say of a comparison, apart from people's ratings and marked as what it is. */
export function AiRatings({ comparison }: { comparison: number }) {
  const { slug } = useProject();
  const found = useQuery({
    queryKey: ['projects', slug, 'comparisons', String(comparison), 'ai-ratings'],
    queryFn: () => api.get<JudgedComparison[]>(`projects/${slug}/comparisons/${comparison}/ai-ratings`),
  });
  if (!found.data?.length) return null;
  return (
    <section aria-labelledby="ai-ratings">
      <Title order={2} size="h4" id="ai-ratings">
        {t('AI ratings')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Made by models, not by people. They are in no figure about labellers, and in comparison sets only where a researcher has allowed the judge.')}
      </Text>
      <Stack>
        {found.data.map((one) => (
          <Judged key={one.judge.id} judged={one} />
        ))}
      </Stack>
    </section>
  );
}

function Judged({ judged: { judge, p_a, ratings } }: { judged: JudgedComparison }) {
  const { slug } = useProject();
  const name = judgeName(judge);
  return (
    <Card withBorder radius="md" component="article" aria-label={t('AI rating by {{name}}', { name })}>
      <Group gap="xs" mb="sm">
        <Badge leftSection={<IconRobot size={14} aria-hidden />} variant="light" color="grape" c="var(--mantine-color-text)" tt="none" miw="max-content">
          {t('AI')}
        </Badge>
        <Anchor component={Link} size="sm" to={`/projects/${slug}/judges/${judge.id}`} style={{ overflowWrap: 'anywhere' }}>
          {name}
        </Anchor>
        <Text size="sm" c="dimmed">
          {[versionName(judge), judge.chain_of_thought && t('with reasons'), judge.allowed_at ? t('allowed') : t('does not count')].filter(Boolean).join(' · ')}
        </Text>
      </Group>
      <Shares
        label={t('Soft label of {{name}}', { name })}
        parts={[
          { side: 'a', name: 'A', share: p_a },
          { side: 'b', name: 'B', share: 1 - p_a },
        ]}
      />
      <Stack gap="sm" mt="sm">
        {ratings.map((rating) => (
          <ByPrinciple key={rating.id} rating={rating} />
        ))}
      </Stack>
    </Card>
  );
}

function ByPrinciple({ rating }: { rating: AiRating }) {
  const shown = (p: number | null) => (p === null ? t('no answer') : percent(p, 0));
  return (
    <div>
      <Text size="sm" dir="auto" style={{ overflowWrap: 'anywhere' }}>
        {rating.principle.text}
      </Text>
      <Text size="sm" c="dimmed">
        {t('For A: {{share}}. With A shown first {{first}}, with B shown first {{second}}.', {
          share: percent(rating.p_a, 0), first: shown(rating.p_first_order), second: shown(rating.p_second_order),
        })}{' '}
        {!rating.has_probabilities && `${t('It wrote a letter and no probabilities.')} `}
        <TimeAgo at={rating.created_at} />
      </Text>
      {rating.rationale && (
        <Spoiler maxHeight={72} showLabel={t('Show all of its reasons')} hideLabel={t('Show less')} mt={4}>
          <Text size="sm" dir="auto" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {rating.rationale}
          </Text>
        </Spoiler>
      )}
    </div>
  );
}
