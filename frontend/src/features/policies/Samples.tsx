import { Anchor, Badge, Box, Card, Center, Group, Pagination, Select, SimpleGrid, Spoiler, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { EmptyState, Loaded } from '@/components/States';
import type { PolicyEvaluation, PolicyRunDetail, PolicySample } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useNumberedPage } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { bestOf } from './curve';
import { EvaluationSelect } from './EvaluationSelect';

const ORDERS = [
  { value: 'gain', label: t('most gain in reward first') },
  { value: 'fooled', label: t('reward up, gold down first') },
  { value: 'uncertainty', label: t('least certain first') },
  { value: 'prompt', label: t('by prompt') },
];

const PAGE_SIZE = 5;

/** What the policy writes, side by side with what the reference wrote to the same prompt. */
export function Samples({ run, evaluations }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[] }) {
  const { slug } = useProject();
  const [chosen, setChosen] = useState<number | null>(null);
  const [order, setOrder] = useState('gain');
  const written = evaluations.filter(({ step, n_samples }) => step > 0 && n_samples > 0);
  const best = bestOf(run, written)?.evaluation;
  const shown = written.find(({ step }) => step === chosen) ?? best ?? written.at(-1);
  return (
    <section aria-labelledby="samples">
      <Title order={2} id="samples" mb="sm">
        {t('What it writes')}
      </Title>
      {shown ? (
        <Stack gap="sm">
          <Group align="flex-end">
            <EvaluationSelect evaluations={written} step={shown.step} onChange={setChosen} />
            <Select label={t('Order')} w={260} maw="100%" allowDeselect={false} data={ORDERS} value={order} onChange={(value) => value && setOrder(value)} />
          </Group>
          <List key={`${shown.step} ${order}`} path={`projects/${slug}/policy-runs/${run.number}/evaluations/${shown.step}/samples`} order={order} run={run} />
        </Stack>
      ) : (
        <Text c="dimmed">{t('Samples come with the first evaluation after training began.')}</Text>
      )}
    </section>
  );
}

function List({ path, order, run }: { path: string; order: string; run: PolicyRunDetail }) {
  const { slug } = useProject();
  const [page, setPage] = useState(1);
  const samples = useNumberedPage<PolicySample>(['projects', slug, 'policy-runs', String(run.number), 'samples', path], path, {
    order,
    page: String(page),
    page_size: String(PAGE_SIZE),
  });
  return (
    <Loaded query={samples}>
      {({ results, count }) =>
        results.length === 0 ? (
          <EmptyState title={t('No samples')}>{t('Nothing was stored of this evaluation.')}</EmptyState>
        ) : (
          <>
            {results.map((sample) => (
              <Sample key={sample.id} sample={sample} />
            ))}
            {count > PAGE_SIZE && (
              <Center>
                <Pagination
                  total={Math.ceil(count / PAGE_SIZE)}
                  value={page}
                  onChange={setPage}
                  getControlProps={(control) => ({ 'aria-label': control === 'next' ? t('Next page') : t('Previous page') })}
                />
              </Center>
            )}
          </>
        )
      }
    </Loaded>
  );
}

const OUTCOMES: Record<Exclude<PolicySample['outcome'], ''>, string> = {
  win: t('people prefer the policy'),
  loss: t('people prefer the reference'),
  tie: t('people find them alike'),
};

function Sample({ sample }: { sample: PolicySample }) {
  const { slug } = useProject();
  return (
    <Card component="article" withBorder radius="md" padding="md" style={{ minWidth: 0 }}>
      {/* A spoiler's own margin holds its button. */}
      <Box mb="sm">
        <Spoiler maxHeight={120} showLabel={t('Show the whole prompt')} hideLabel={t('Show less')}>
          <Conversation messages={sample.messages} />
        </Spoiler>
      </Box>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
        <Side
          title={t('Policy')}
          text={sample.completion}
          facts={facts(sample.reward, sample.calibrated, sample.gold, sample.uncertainty, sample.n_tokens)}
        />
        <Side
          title={t('Reference')}
          text={sample.reference}
          facts={facts(sample.reference_reward, sample.reference_calibrated, sample.reference_gold, sample.reference_uncertainty, sample.reference_n_tokens)}
        />
      </SimpleGrid>
      <Group gap="md" mt="sm">
        <Text size="xs" c="dimmed">
          {[
            gainText(t('Gain in reward'), sample.reward, sample.reference_reward),
            gainText(t('in gold'), sample.gold, sample.reference_gold),
            sample.kl !== null && t('KL {{kl}} nats', { kl: number(sample.kl, 1) }),
            sample.outcome && OUTCOMES[sample.outcome],
          ]
            .filter(Boolean)
            .join(' · ')}
        </Text>
        {sample.is_kept && (
          <Badge variant="light" color="orange" c="var(--mantine-color-text)" tt="none">
            {t('kept as adversarial')}
          </Badge>
        )}
        <Anchor component={Link} to={`/projects/${slug}/prompts/${sample.prompt_id}`} size="xs">
          {t('Prompt')}
        </Anchor>
        {sample.comparison_id !== null && (
          <Anchor component={Link} to={`/projects/${slug}/comparisons/${sample.comparison_id}`} size="xs">
            {t('What people say of it')}
          </Anchor>
        )}
      </Group>
    </Card>
  );
}

function Side({ title, text, facts: told }: { title: string; text: string; facts: string }) {
  return (
    <Stack gap={4} miw={0}>
      <Text size="sm" fw={600}>
        {title}
      </Text>
      <Spoiler maxHeight={220} showLabel={t('Show all')} hideLabel={t('Show less')}>
        <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} dir="auto">
          {text || t('(nothing)')}
        </Text>
      </Spoiler>
      <Text size="xs" c="dimmed">
        {told}
      </Text>
    </Stack>
  );
}

function facts(reward: number | null, calibrated: number | null, gold: number | null, uncertainty: number | null, tokens: number | null): string {
  return [
    reward !== null && t('reward {{n}}', { n: number(reward, 2) }),
    calibrated !== null && t('calibrated {{n}}', { n: number(calibrated, 2) }),
    gold !== null && t('gold {{n}}', { n: number(gold, 2) }),
    uncertainty !== null && t('uncertainty {{n}}', { n: number(uncertainty, 2) }),
    tokens !== null && t('{{count}} tokens', { count: tokens }),
  ]
    .filter(Boolean)
    .join(' · ');
}

function gainText(label: string, policy: number | null, reference: number | null): string {
  if (policy === null || reference === null) return '';
  const gain = policy - reference;
  return `${label} ${gain < 0 ? '−' : '+'}${number(Math.abs(gain), 2)}`;
}
