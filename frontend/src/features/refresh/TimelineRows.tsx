import { Anchor, Badge, Group, Stack, Table, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import type { TimelineRefresh } from '@/lib/api/types';
import { money, number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { VERDICTS } from '@/lib/verdicts';
import { differenceText, hoursText, onItsOwn, totals } from './timeline';

/** What each refresh found, brought and cost, the latest first. */
export function TimelineRows({ rows }: { rows: TimelineRefresh[] }) {
  const all = totals(rows);
  return (
    <section aria-labelledby="timeline-rows">
      <Title order={2} id="timeline-rows" mb="xs">
        {t('What each refresh found and cost')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Hours are active time on the comparisons of the refresh’s round, amounts at today’s rate.')}
      </Text>
      <Table.ScrollContainer minWidth={960}>
        <Table aria-labelledby="timeline-rows" verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Refresh')}</Table.Th>
              <Table.Th>{t('Held-out accuracy')}</Table.Th>
              <Table.Th>{t('Beside the model before')}</Table.Th>
              <Table.Th>{t('Labellers agree')}</Table.Th>
              <Table.Th>{t('Drift before')}</Table.Th>
              <Table.Th>{t('Round')}</Table.Th>
              <Table.Th ta="right">{t('Labels')}</Table.Th>
              <Table.Th ta="right">{t('Hours')}</Table.Th>
              <Table.Th ta="right">{t('Cost')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody style={{ verticalAlign: 'top' }}>
            {rows.toReversed().map((row) => (
              <Row key={row.id} row={row} />
            ))}
          </Table.Tbody>
          {all.n_labels > 0 && (
            <Table.Tfoot>
              <Table.Tr>
                <Table.Th colSpan={6}>{t('Together')}</Table.Th>
                <Table.Td ta="right">{number(all.n_labels)}</Table.Td>
                <Table.Td ta="right">{hoursText(all.hours)}</Table.Td>
                <Table.Td ta="right">{all.amount === null ? '–' : money(String(all.amount), all.currency)}</Table.Td>
              </Table.Tr>
            </Table.Tfoot>
          )}
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Row({ row }: { row: TimelineRefresh }) {
  const { slug } = useProject();
  const { model, cost } = row;
  return (
    <Table.Tr>
      <Table.Td>
        <Stack gap={2} align="flex-start">
          <Anchor component={Link} to={`/projects/${slug}/refreshes/${row.id}`}>
            {row.number}
            {row.name && ` · ${row.name}`}
          </Anchor>
          <StateBadge state={row.state} />
          <Text size="xs" c="dimmed">
            <TimeAgo at={row.started_at} />
          </Text>
        </Stack>
      </Table.Td>
      <Table.Td>
        {model ? (
          <>
            <Anchor component={Link} to={`/projects/${slug}/reward-models/${model.id}`} display="block">
              v{model.version}
            </Anchor>
            <StatText stat={model.accuracy} isStacked />
          </>
        ) : (
          <Nothing />
        )}
      </Table.Td>
      <Table.Td>
        <Beside row={row} />
      </Table.Td>
      <Table.Td>
        <Agree row={row} />
      </Table.Td>
      <Table.Td>
        <DriftCell row={row} />
      </Table.Td>
      <Table.Td>
        <RoundCell row={row} />
      </Table.Td>
      <Table.Td ta="right">{cost ? number(cost.n_labels) : <Nothing />}</Table.Td>
      <Table.Td ta="right">
        {cost ? hoursText(cost.hours) : <Nothing />}
        {cost && cost.hours !== null && cost.n_untimed > 0 && (
          <Text size="xs" c="dimmed">
            {t('{{count}} without a time, taken as the others', { count: cost.n_untimed })}
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="right">{cost?.amount != null ? money(cost.amount, cost.currency) : <Nothing />}</Table.Td>
    </Table.Tr>
  );
}

const Nothing = () => (
  <Text span c="dimmed">
    –
  </Text>
);

/** The new model's accuracy minus that of the one in use, on all held-out comparisons and on the refresh's own batch. */
function Beside({ row }: { row: TimelineRefresh }) {
  const incumbent = row.model?.incumbent;
  const own = onItsOwn(row)?.difference;
  if (!incumbent) return <Nothing />;
  return (
    <Stack gap={2}>
      <Text size="sm">{t('to v{{version}}: {{difference}}', { version: incumbent.version, difference: incumbent.difference ? differenceText(incumbent.difference) : '–' })}</Text>
      {own && (
        <Text size="xs" c="dimmed">
          {t('on the new batch: {{difference}}', { difference: differenceText(own) })}
        </Text>
      )}
    </Stack>
  );
}

function Agree({ row: { agreement } }: { row: TimelineRefresh }) {
  if (!agreement) return <Nothing />;
  return (
    <Stack gap={2}>
      {agreement.pairs && <StatText stat={agreement.pairs} isStacked unit="rating" />}
      {agreement.ceiling?.value != null && (
        <Text size="xs" c="dimmed">
          {t('one against the others: {{share}}', { share: percent(agreement.ceiling.value) })}
        </Text>
      )}
    </Stack>
  );
}

function DriftCell({ row: { drift } }: { row: TimelineRefresh }) {
  const { slug } = useProject();
  if (!drift) return <Nothing />;
  const found = drift.verdict === '' ? null : VERDICTS[drift.verdict];
  const measure = (name: 'classifier' | 'outliers') => drift.measures.find((one) => one.name === name);
  const [classifier, outliers] = [measure('classifier'), measure('outliers')];
  return (
    <Stack gap={2} align="flex-start">
      <Group gap={6}>
        <Anchor component={Link} to={`/projects/${slug}/drift/${drift.id}`}>
          {t('Report {{number}}', { number: drift.number })}
        </Anchor>
        {found && (
          <Badge variant="light" color={found.colour} tt="none" c="var(--mantine-color-text)" miw="max-content">
            {found.label}
          </Badge>
        )}
      </Group>
      <Text size="xs" c="dimmed">
        {[
          classifier && t('told apart {{value}}', { value: number(classifier.value, 2) }),
          outliers && t('outside {{share}}', { share: percent(outliers.value) }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </Text>
    </Stack>
  );
}

/** What the round asked, and how often the model that chose was right before anybody had labelled it. */
function RoundCell({ row: { round } }: { row: TimelineRefresh }) {
  const { slug } = useProject();
  if (!round) return <Nothing />;
  const { random, chosen } = round.accuracy;
  const known = [
    random.value !== null && t('at random {{share}}', { share: percent(random.value) }),
    chosen.value !== null && t('chosen {{share}}', { share: percent(chosen.value) }),
  ].filter(Boolean);
  return (
    <Stack gap={2} align="flex-start">
      {/* On a line of its own: within a text its colour alone would not tell a link. */}
      <Anchor component={Link} to={`/projects/${slug}/sampling-rounds/${round.id}`}>
        {t('Round {{number}}', { number: round.number })}
      </Anchor>
      <Text size="sm">
        {t('{{labelled}} of {{asked}} labelled', { labelled: number(round.n_labelled), asked: number(round.n_asked) })}
      </Text>
      {known.length > 0 && (
        <Text size="xs" c="dimmed">
          {t('model before was right: {{shares}}', { shares: known.join(', ') })}
        </Text>
      )}
      {round.agreement.value !== null && (
        <Text size="xs" c="dimmed">
          {t('its labellers agree {{share}}', { share: percent(round.agreement.value) })}
        </Text>
      )}
    </Stack>
  );
}
