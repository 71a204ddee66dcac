import { Badge, Group, Table, Text, Title } from '@mantine/core';
import type { PolicyEvaluation, PolicyMetrics, PolicyRunDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { bestOf } from './curve';
import { KeepButton, SpareModels } from './Keep';

interface Measure {
  title: string;
  text: (metrics: PolicyMetrics) => string;
  /** The same of the reference. */
  reference?: (metrics: PolicyMetrics) => string;
}

const MEASURES: Measure[] = [
  {
    title: t('Uncertainty'),
    text: ({ uncertainty }) => number(uncertainty, 2),
    reference: ({ reference_uncertainty }) => number(reference_uncertainty, 2),
  },
  {
    title: t('Beyond range'),
    text: ({ beyond_range }) => percent(beyond_range),
    reference: ({ reference_beyond_range }) => percent(reference_beyond_range),
  },
  {
    title: t('Outlying'),
    text: ({ outlying }) => percent(outlying),
    reference: ({ reference_outlying }) => percent(reference_outlying),
  },
  {
    title: t('Repetition'),
    text: ({ repetition }) => percent(repetition),
    reference: ({ reference_repetition }) => percent(reference_repetition),
  },
  {
    title: t('Distinct words'),
    text: ({ distinct_1 }) => percent(distinct_1),
    reference: ({ reference_distinct_1 }) => percent(reference_distinct_1),
  },
  {
    title: t('Distinct pairs'),
    text: ({ distinct_2 }) => percent(distinct_2),
    reference: ({ reference_distinct_2 }) => percent(reference_distinct_2),
  },
  {
    title: t('Length'),
    text: ({ length }) => number(length, 0),
    reference: ({ reference_length }) => number(reference_length, 0),
  },
  { title: t('Cut off'), text: ({ cut_off }) => percent(cut_off) },
];

/** How the policy writes at each evaluation, with the reference below each number. */
export function Evaluations({ run, evaluations, mayTrain }: { run: PolicyRunDetail; evaluations: PolicyEvaluation[]; mayTrain: boolean }) {
  const best = bestOf(run, evaluations);
  return (
    <section aria-labelledby="evaluations">
      <Title order={2} id="evaluations" mb="xs">
        {t('Health of the policy')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('On the probe set, the reference below in grey. Beyond range: completions whose reward is above all but one in two hundred of training. Outlying: whose text is farther from the texts of training than all but one in a hundred of those. Length in tokens; cut off at the longest allowed.')}
      </Text>
      <Table.ScrollContainer minWidth={960} mah={480} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
        <Table aria-labelledby="evaluations" verticalSpacing="xs" stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th ta="right">{t('Updates')}</Table.Th>
              <Table.Th ta="right">{t('KL, nats')}</Table.Th>
              {MEASURES.map(({ title }) => (
                <Table.Th key={title} ta="right">
                  {title}
                </Table.Th>
              ))}
              {run.can.keep && <Table.Th ta="right">{t('To keep')}</Table.Th>}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody style={{ fontVariantNumeric: 'tabular-nums', verticalAlign: 'top' }}>
            {evaluations.toReversed().map((one) => (
              <Table.Tr key={one.step}>
                <Table.Td ta="right">
                  <Group gap={6} justify="flex-end" wrap="nowrap">
                    {one === best?.evaluation && (
                      <Badge variant="light" color="teal" c="var(--mantine-color-text)" tt="none" style={{ flexShrink: 0 }}>
                        {best.isKept ? t('kept') : t('best so far')}
                      </Badge>
                    )}
                    {number(one.step)}
                  </Group>
                </Table.Td>
                <Table.Td ta="right">
                  {number(one.metrics.kl, 2)}
                  <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
                    ± {number(1.96 * one.metrics.kl_se, 2)}
                  </Text>
                </Table.Td>
                {MEASURES.map(({ title, text, reference }) => (
                  <Table.Td key={title} ta="right">
                    {text(one.metrics)}
                    {reference && (
                      <Text size="xs" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
                        {reference(one.metrics)}
                      </Text>
                    )}
                  </Table.Td>
                ))}
                {run.can.keep && <Table.Td ta="right">{one !== best?.evaluation && <Keepable run={run} evaluation={one} mayTrain={mayTrain} />}</Table.Td>}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {mayTrain && <SpareModels run={run} />}
    </section>
  );
}

/** Whether a policy can still be kept instead. */
function Keepable({ run, evaluation, mayTrain }: { run: PolicyRunDetail; evaluation: PolicyEvaluation; mayTrain: boolean }) {
  if (evaluation.has_model && mayTrain) return <KeepButton run={run} evaluation={evaluation} isShort />;
  return (
    <Text size="sm" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
      {evaluation.has_model ? t('can be kept') : t('model gone')}
    </Text>
  );
}
