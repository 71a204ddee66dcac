import { Alert, Button, Group, Modal, NumberInput, Stack, Table, Text, Title } from '@mantine/core';
import { IconUsersGroup } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { complain, tell } from '@/components/notify';
import { api } from '@/lib/api/client';
import type { PolicyEvaluation, PolicyRunDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { EvaluationSelect } from './EvaluationSelect';
import { winText } from './GainCharts';
import { PeoplesBest } from './Keep';

interface Props {
  run: PolicyRunDetail;
  evaluations: PolicyEvaluation[];
  mayTrain: boolean;
}

/** What people were asked about the policy, and what they say beside what the reward model claims. */
export function People({ run, evaluations, mayTrain }: Props) {
  const [isOpen, setOpen] = useState(false);
  const asked = evaluations.filter(({ n_comparisons, human_kl, win_rate }) => n_comparisons > 0 || human_kl !== null || win_rate);
  const askable = evaluations.filter(({ step, n_samples, n_comparisons }) => step > 0 && n_samples > n_comparisons);
  return (
    <section aria-labelledby="people">
      <Group justify="space-between" align="flex-start" mb="xs">
        <Title order={2} id="people">
          {t('What people say')}
        </Title>
        {mayTrain && run.can.ask_people && askable.length > 0 && (
          <Button variant="default" leftSection={<IconUsersGroup size={16} aria-hidden />} onClick={() => setOpen(true)}>
            {t('Ask people')}
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Pairs of policy and reference go to labellers blind and on top of their queues. A tie counts half. With fewer than 100 ratings an evaluation, only a clear fall ends the run.')}
      </Text>
      {run.report.people?.stop && run.report.people.message !== run.stop_message && (
        <Alert color="orange" mb="sm">
          {run.report.people.message}
        </Alert>
      )}
      <PeoplesBest run={run} evaluations={evaluations} mayTrain={mayTrain} />
      {asked.length === 0 ? (
        <Text c="dimmed">
          {run.options.human_kls.length > 0
            ? t('People are asked when KL reaches {{n}} nats.', { n: run.options.human_kls.map((kl) => number(kl)).join(', ') })
            : t('Nobody has been asked.')}
        </Text>
      ) : (
        <Table.ScrollContainer minWidth={640}>
          <Table aria-labelledby="people" verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th ta="right">{t('Updates')}</Table.Th>
                <Table.Th ta="right">{t('KL, nats')}</Table.Th>
                <Table.Th ta="right">{t('Asked')}</Table.Th>
                <Table.Th ta="right">{t('Better, worse, tied')}</Table.Th>
                <Table.Th ta="right">{t('Preferred by people')}</Table.Th>
                <Table.Th ta="right">{t('Claimed by the reward model')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums' }}>
              {asked.toReversed().map(({ step, metrics, n_comparisons, human_kl, win_rate: win }) => (
                <Table.Tr key={step}>
                  <Table.Td ta="right">{number(step)}</Table.Td>
                  <Table.Td ta="right">
                    {number(metrics.kl, 2)}
                    {human_kl !== null && (
                      <Text size="xs" c="dimmed">
                        {t('for {{kl}}', { kl: number(human_kl) })}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td ta="right">{number(n_comparisons)}</Table.Td>
                  <Table.Td ta="right">{win && win.n > 0 ? `${number(win.wins)}, ${number(win.losses)}, ${number(win.ties)}` : t('no answer yet')}</Table.Td>
                  <Table.Td ta="right">{win ? winText(win) : '–'}</Table.Td>
                  <Table.Td ta="right">{percent(win?.claimed)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={t('Ask people about the policy')}>
        <Ask run={run} askable={askable} close={() => setOpen(false)} />
      </Modal>
    </section>
  );
}

function Ask({ run, askable, close }: { run: PolicyRunDetail; askable: PolicyEvaluation[]; close: () => void }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<number | null>(null);
  const [n, setN] = useState<number | string>(run.options.n_human || 30);
  const shown = askable.find(({ step }) => step === chosen) ?? askable.at(-1);
  const ask = useMutation({
    mutationFn: (step: number) => api.post(`projects/${slug}/policy-runs/${run.number}/evaluations/${step}/comparisons`, { n: Number(n) }),
    onSuccess: async () => {
      tell(t('Labellers find the pairs on top of their queues.'));
      close();
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs', String(run.number)] });
    },
    onError: complain,
  });
  if (!shown) return <Alert color="blue">{t('Everything that was written is before people.')}</Alert>;
  const most = shown.n_samples - shown.n_comparisons;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate(shown.step);
      }}
    >
      <Stack>
        <EvaluationSelect evaluations={askable} step={shown.step} onChange={setChosen} />
        <NumberInput
          label={t('Comparisons')}
          description={t('At most {{count}} more of this evaluation.', { count: most })}
          min={1}
          max={most}
          clampBehavior="strict"
          allowDecimal={false}
          value={Math.min(Number(n), most) || ''}
          onChange={setN}
          required
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('Not now')}
          </Button>
          <Button type="submit" loading={ask.isPending}>
            {t('Ask people')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
