import { Alert, Anchor, Button, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { complain, tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { SamplingChoices, SamplingOutcome, SamplingRoundDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';

/** What the round brought, from the ratings that came in so far. */
export function Outcome({ round }: { round: SamplingRoundDetail }) {
  const { slug } = useProject();
  const outcome = useQuery({
    queryKey: ['projects', slug, 'sampling-rounds', String(round.id), 'outcome', round.n_rated],
    queryFn: () => api.get<SamplingOutcome>(`projects/${slug}/sampling-rounds/${round.id}/outcome`),
  });
  return (
    <section aria-labelledby="outcome">
      <Title order={2} size="h4" mb="xs" id="outcome">
        {t('What it brought')}
      </Title>
      {round.n_rated === 0 ? (
        <Text c="dimmed">{t('Nobody has rated one of its comparisons yet. The figures come with the ratings.')}</Text>
      ) : (
        <Loaded query={outcome}>{(found) => <Figures found={found} round={round} />}</Loaded>
      )}
    </section>
  );
}

function Figures({ found, round }: { found: SamplingOutcome; round: SamplingRoundDetail }) {
  const rows = [
    { name: t('Chosen by the rule'), arm: found.arms.chosen },
    { name: t('Drawn at random'), arm: found.arms.random },
  ];
  return (
    <Stack>
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label={t('Both parts of the round')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Part')}</Table.Th>
              <Table.Th ta="right">{t('Rated')}</Table.Th>
              <Table.Th ta="right">{t('Labels')}</Table.Th>
              <Table.Th>{t('Model was right')}</Table.Th>
              <Table.Th>{t('Labellers agree')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ name, arm }) => (
              <Table.Tr key={name}>
                <Table.Td>{name}</Table.Td>
                <Table.Td ta="right">{t('{{rated}} of {{chosen}}', { rated: number(arm.n_rated), chosen: number(arm.n) })}</Table.Td>
                <Table.Td ta="right">{number(arm.n_labels)}</Table.Td>
                <Table.Td>
                  <StatText stat={arm.accuracy} isStacked />
                </Table.Td>
                <Table.Td>
                  <StatText stat={arm.agreement} isStacked />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="sm" c="dimmed">
        {found.is_harder === null
          ? t('Too few ratings in one of the parts to tell whether the rule found harder comparisons.')
          : found.is_harder
            ? t('The rule found comparisons that are harder for the model than those drawn at random: it asked where it matters.')
            : t('It cannot be told from these ratings that the rule found harder comparisons than chance.')}
      </Text>
      <LaterModels found={found} round={round} />
    </Stack>
  );
}

function LaterModels({ found, round }: { found: SamplingOutcome; round: SamplingRoundDetail }) {
  const { slug } = useProject();
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {t('Models trained since, on its random part')}
      </Title>
      <Text size="sm" c="dimmed">
        {t('Only comparisons whose prompts no model learns from: they show what the pool as a whole is like. Before is the model that chose.')}
      </Text>
      {found.later_models.length === 0 ? (
        <Text size="sm">{t('No model has been trained since.')}</Text>
      ) : (
        <Table.ScrollContainer minWidth={520}>
          <Table aria-label={t('Later models')} verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Reward model')}</Table.Th>
                <Table.Th ta="right">n</Table.Th>
                <Table.Th>{t('Before')}</Table.Th>
                <Table.Th>{t('After')}</Table.Th>
                <Table.Th ta="right">{t('Better, worse on')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.later_models.map((row) => (
                <Table.Tr key={row.reward_model.id}>
                  <Table.Td>
                    <Anchor component={Link} to={`/projects/${slug}/reward-models/${row.reward_model.id}`}>
                      v{row.reward_model.version}
                    </Anchor>
                  </Table.Td>
                  <Table.Td ta="right">{number(row.after.n)}</Table.Td>
                  <Table.Td>
                    <StatText stat={row.before} isStacked />
                  </Table.Td>
                  <Table.Td>
                    <StatText stat={row.after} isStacked />
                  </Table.Td>
                  <Table.Td ta="right">
                    {number(row.n_better)}, {number(row.n_worse)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <AskLaterModel found={found} round={round} />
    </Stack>
  );
}

/** The newest later model that has said nothing of this round yet can be asked. */
function AskLaterModel({ found, round }: { found: SamplingOutcome; round: SamplingRoundDetail }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const choices = useQuery({
    queryKey: ['projects', slug, 'sampling-rounds', 'choices'],
    queryFn: () => api.get<SamplingChoices>(`projects/${slug}/sampling-rounds/choices`),
    enabled: mayTrain,
  });
  const ask = useMutation({
    mutationFn: (model: number) => api.post(`projects/${slug}/sampling-rounds/judge`, { reward_model_id: model }),
    onSuccess: () => tell(t('It is asked about all earlier rounds; the Jobs page says how far it is.')),
    onError: complain,
  });
  const told = new Set(found.later_models.filter(({ after }) => after.n > 0).map(({ reward_model }) => reward_model.id));
  const silent = (choices.data?.reward_models ?? [])
    .filter(({ id, version }) => version > round.reward_model.version && !told.has(id))
    .sort((one, other) => other.version - one.version)[0];
  if (!mayTrain || !silent || found.arms.random.n === 0) return null;
  return (
    <Alert color="gray" variant="light">
      <Group justify="space-between" gap="xs">
        <Text size="sm">{t('v{{version}} has not been asked about this round, or none of what it was asked is rated.', { version: silent.version })}</Text>
        <Button size="xs" variant="default" loading={ask.isPending} onClick={() => ask.mutate(silent.id)}>
          {t('Ask v{{version}}', { version: silent.version })}
        </Button>
      </Group>
    </Alert>
  );
}
