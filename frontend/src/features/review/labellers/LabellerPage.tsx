import { Alert, Anchor, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from 'react-router';
import { BarsPerDay } from '@/components/charts/BarsPerDay';
import { ChartFrame } from '@/components/charts/ChartFrame';
import { IntervalChart } from '@/components/charts/IntervalChart';
import { CsvButton } from '@/components/CsvButton';
import { Filled } from '@/components/Filled';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard, rangeOf, StatCard, StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Answer, LabellerDetail, LabellerDissent, Stat } from '@/lib/api/types';
import { day, daysAfter, number, percent, seconds, signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { SCROLLABLE } from '../scrollable';
import { verdict } from '../words';
import { Actions } from './Actions';
import { ADVICE, FINDING_COLOURS, findingTitle } from './findings';
import { Standing } from './Standing';

export function LabellerPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const labeller = useQuery({
    queryKey: ['projects', slug, 'labellers', id],
    queryFn: ({ signal }) => api.get<LabellerDetail>(`projects/${slug}/labellers/${id}`, {}, signal),
  });
  return <Loaded query={labeller}>{(found) => <Found key={found.id} labeller={found} />}</Loaded>;
}

function Found({ labeller }: { labeller: LabellerDetail }) {
  const { slug } = useProject();
  const mayAct = useMay('adjudicate');
  return (
    <>
      <PageHeader
        title={labeller.name ? t('{{name}}, {{pseudonym}}', { name: labeller.name, pseudonym: labeller.pseudonym }) : labeller.pseudonym}
        description={
          <Group gap="xs">
            <Anchor component={Link} to={`/projects/${slug}/labellers`}>
              {t('All labellers')}
            </Anchor>
            {labeller.kind !== 'person' && <StateBadge state={labeller.kind} />}
            <Standing labeller={labeller} />
          </Group>
        }
        actions={mayAct && <Actions labeller={labeller} />}
      />
      <Stack gap="xl">
        <Reasons labeller={labeller} />
        <StandsOut labeller={labeller} />
        <Cards labeller={labeller} />
        <Weeks labeller={labeller} />
        <Dissents labeller={labeller} />
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
          <ByVersion labeller={labeller} />
          <Qualifications labeller={labeller} />
        </SimpleGrid>
        <Messages labeller={labeller} />
      </Stack>
    </>
  );
}

/** Why they are given no work, or their ratings do not count. */
function Reasons({ labeller }: { labeller: LabellerDetail }) {
  const { paused_at, pause_reason, excluded_at, exclusion_reason } = labeller;
  if (!paused_at && !excluded_at) return null;
  return (
    <Stack gap="sm">
      {excluded_at && (
        <Alert color="red" variant="light" title={t('Excluded from the project’s figures and exports')} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
          {exclusion_reason}
          <Text size="sm" c="dimmed" mt={4}>
            <Filled text={t('since {{when}}')} when={<TimeAgo at={excluded_at} />} />
          </Text>
        </Alert>
      )}
      {paused_at && (
        <Alert color="orange" variant="light" title={t('Paused: given no more work')} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
          {pause_reason}
          <Text size="sm" c="dimmed" mt={4}>
            <Filled text={t('since {{when}}')} when={<TimeAgo at={paused_at} />} />
          </Text>
        </Alert>
      )}
    </Stack>
  );
}

function StandsOut({ labeller: { findings, n_ratings } }: { labeller: LabellerDetail }) {
  return (
    <section>
      <Title order={2} mb="sm">
        {t('What stands out')}
      </Title>
      {findings.length === 0 ? (
        <Text c="dimmed">
          {n_ratings === 0 ? t('No ratings yet') : t('Nothing: no check says more than chance would, with all labellers and all checks counted.')}
        </Text>
      ) : (
        <Stack gap="sm">
          {findings.map((finding) => (
            <Alert
              key={`${finding.code}:${finding.version ?? ''}`}
              color={FINDING_COLOURS[finding.code]}
              variant="light"
              title={findingTitle(finding)}
              styles={{ title: { color: 'var(--mantine-color-text)' } }}
            >
              {ADVICE[finding.code]}
              <Text size="xs" c="dimmed" mt={4}>
                {t('n = {{n}}, p {{p}}', {
                  n: number(finding.value.n),
                  p: finding.p_value < 0.001 ? `< ${number(0.001, 3)}` : `= ${number(finding.p_value, 3)}`,
                })}
              </Text>
            </Alert>
          ))}
        </Stack>
      )}
    </section>
  );
}

function Cards({ labeller }: { labeller: LabellerDetail }) {
  const { slug } = useProject();
  const behind = ratingsOf(slug, { labeller: labeller.id });
  return (
    <section aria-label={t('Figures')}>
      <SimpleGrid cols={{ base: 2, md: 3, lg: 4 }}>
        <CountCard label={t('Ratings')} value={labeller.n_ratings} to={behind} />
        <StatCard
          label={t('Reliability')}
          stat={labeller.reliability}
          unit="rating"
          help={t('Chance that a rating is of the right answer, as all ratings together have it')}
          to={behind}
        />
        <StatCard label={t('Agreement with the others')} stat={labeller.with_others} help={t('On the same comparisons, this labeller left out')} to={behind} />
        <StatCard label={t('Gold')} stat={labeller.gold} unit="rating" help={t('Known answers that were given')} to={behind} />
        <StatCard label={t('With themselves')} stat={labeller.self_agreement} unit="rating" help={t('The same pair again, with the sides swapped')} to={behind} />
        <StatCard label={t('First side preferred')} stat={labeller.first_side} unit="rating" help={t('Half without position bias')} to={behind} />
        <StatCard
          label={t('Longer one preferred')}
          stat={labeller.longer}
          unit="rating"
          help={
            labeller.longer_excess.value === null
              ? undefined
              : t('Beside the others on the same pairs: {{difference}}', { difference: difference(labeller.longer_excess) })
          }
          to={behind}
        />
        <CountCard
          label={t('Median time')}
          value={labeller.median_active_ms === null ? '–' : seconds(labeller.median_active_ms)}
          hint={labeller.too_fast.value === null ? undefined : t('{{share}} too fast to have read', { share: percent(labeller.too_fast.value, 0) })}
          to={behind}
        />
      </SimpleGrid>
    </section>
  );
}

/** "+18 points", with its interval. */
function difference({ value, low, high }: Stat): string {
  if (value === null) return '–';
  const range = low === null || high === null ? '' : ` (${t('{{low}} to {{high}}', { low: signedPoints(low), high: signedPoints(high) })})`;
  return t('{{points}} points', { points: signedPoints(value) }) + range;
}

const shareText = (stat: Stat) => {
  if (stat.value === null) return t('too few');
  const range = rangeOf(stat);
  return `${percent(stat.value)}${range && ` (${range})`}`;
};

function Weeks({ labeller: { id, weeks } }: { labeller: LabellerDetail }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const behind = (week: string) => ratingsOf(slug, { labeller: id, from: week, to: daysAfter(week, 6) });
  const latest = weeks.toReversed();
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <ChartFrame
        title={t('Ratings by week')}
        actions={<CsvButton slug={slug} name="labeller-weeks" title={t('Ratings by week')} query={{ labeller: String(id) }} />}
        chart={<BarsPerDay label={t('Ratings')} rows={weeks.map(({ week, n_ratings }) => ({ at: week, n: n_ratings }))} onOpen={(week) => void navigate(behind(week))} />}
        rows={latest}
        rowKey={({ week }) => week}
        columns={[
          { title: t('Week from'), text: ({ week }) => day(week) },
          { title: t('Ratings'), text: ({ n_ratings }) => number(n_ratings), to: ({ week }) => behind(week), align: 'right' },
          { title: t('Active hours'), text: ({ active_ms }) => number(active_ms / 3_600_000, 1), align: 'right' },
        ]}
        empty={t('No ratings yet')}
      />
      <ChartFrame
        title={t('Agreement with the others, by week')}
        actions={<CsvButton slug={slug} name="labeller-weeks" title={t('Agreement with the others, by week')} query={{ labeller: String(id) }} />}
        chart={
          <IntervalChart
            label={t('Agreement with the others')}
            rows={weeks.map(({ week, with_others }) => ({ at: week, stat: with_others }))}
            domain={[0, 1]}
            show={(value) => percent(value, 0)}
          />
        }
        rows={latest}
        rowKey={({ week }) => week}
        columns={[
          { title: t('Week from'), text: ({ week }) => day(week), to: ({ week }) => behind(week) },
          { title: t('With the others'), text: ({ with_others }) => shareText(with_others) },
          { title: t('Gold'), text: ({ gold }) => shareText(gold) },
        ]}
        empty={t('No ratings yet')}
      />
    </SimpleGrid>
  );
}

/** "A 93 %": what the ratings say together. */
export function answerWords({ p_a, p_b, p_tie }: Answer): string {
  const best = Math.max(p_a, p_b, p_tie);
  return `${best === p_tie ? t('Tie') : best === p_a ? 'A' : 'B'} ${percent(best, 0)}`;
}

function Dissents({ labeller }: { labeller: LabellerDetail }) {
  const { slug, intensity_labels } = useProject();
  const rows = usePages<LabellerDissent>(['projects', slug, 'labellers', labeller.id, 'disagreements'], `projects/${slug}/labellers/${labeller.id}/disagreements`, { page_size: '10' });
  return (
    <section>
      <Group justify="space-between" mb={4}>
        <Title order={2}>{t('Where they differ from all together')}</Title>
        <CsvButton slug={slug} name="labeller-disagreements" title={t('Where they differ from all together')} query={{ labeller: String(labeller.id) }} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('The answer weighs each rating by its labeller’s reliability.')}
      </Text>
      <PagedTable
        label={t('Where they differ from all together')}
        query={rows}
        rowKey={(row) => row.comparison}
        empty={<Text c="dimmed">{t('Nowhere, so far.')}</Text>}
        columns={[
          {
            title: t('Prompt'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.comparison}`} lineClamp={1} maw={360}>
                {row.prompt_excerpt || t('Comparison {{id}}', { id: row.comparison })}
              </Anchor>
            ),
          },
          { title: t('Their rating'), cell: ({ rating }) => verdict(intensity_labels, rating.preferred, rating.intensity) },
          { title: t('All together'), cell: ({ answer }) => answerWords(answer) },
          {
            title: t('Their reason'),
            cell: ({ rating }) => (
              <Text size="sm" lineClamp={2} maw={320} dir="auto">
                {rating.justification || '–'}
              </Text>
            ),
          },
          { title: t('When'), cell: ({ rating }) => <TimeAgo at={rating.created_at} /> },
        ]}
      />
    </section>
  );
}

function ByVersion({ labeller: { id, versions } }: { labeller: LabellerDetail }) {
  const { slug } = useProject();
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t('By version of the guidelines')}</Title>
        <CsvButton slug={slug} name="labeller-versions" title={t('By version of the guidelines')} query={{ labeller: String(id) }} />
      </Group>
      {versions.length === 0 ? (
        <Text c="dimmed">{t('No ratings yet')}</Text>
      ) : (
        <Table aria-label={t('By version of the guidelines')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Version')}</Table.Th>
              <Table.Th ta="right">{t('Ratings')}</Table.Th>
              <Table.Th>{t('With the others')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {versions.map(({ version, n_ratings, with_others }) => (
              <Table.Tr key={version}>
                <Table.Td>{version === 0 ? t('none read') : version}</Table.Td>
                <Table.Td ta="right">
                  <Anchor component={Link} to={ratingsOf(slug, { labeller: id, version })}>
                    {number(n_ratings)}
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  <StatText stat={with_others} isStacked />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </section>
  );
}

function Qualifications({ labeller: { id, qualifications } }: { labeller: LabellerDetail }) {
  const { slug } = useProject();
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t('Qualifications')}</Title>
        <CsvButton slug={slug} name="labeller-qualifications" title={t('Qualifications')} query={{ labeller: String(id) }} />
      </Group>
      {qualifications.length === 0 ? (
        <Text c="dimmed">{t('They have taken no quiz.')}</Text>
      ) : (
        <Table.ScrollContainer minWidth={340} scrollAreaProps={SCROLLABLE}>
          <Table aria-label={t('Qualifications')} verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Version')}</Table.Th>
                <Table.Th>{t('Right')}</Table.Th>
                <Table.Th>{t('Result')}</Table.Th>
                <Table.Th>{t('When')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {qualifications.map((attempt) => (
                <Table.Tr key={attempt.created_at}>
                  <Table.Td>{attempt.version}</Table.Td>
                  <Table.Td>{attempt.n_questions === 0 ? t('no quiz') : t('{{right}} of {{total}}', { right: attempt.n_right, total: attempt.n_questions })}</Table.Td>
                  <Table.Td>
                    <StateBadge
                      state={attempt.revoked_at ? 'taken_back' : attempt.passed ? 'passed' : 'failed'}
                      colour={attempt.revoked_at ? 'gray' : attempt.passed ? 'teal' : 'red'}
                    />
                  </Table.Td>
                  <Table.Td>
                    <TimeAgo at={attempt.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}

function Messages({ labeller: { messages } }: { labeller: LabellerDetail }) {
  if (messages.length === 0) return null;
  return (
    <section>
      <Title order={2} mb="sm">
        {t('Messages')}
      </Title>
      <Stack gap="sm">
        {messages.map((message) => (
          <div key={message.id}>
            <Text size="sm" c="dimmed">
              <Filled
                text={message.read_at ? t('{{sender}} {{when}}, read {{read}}') : t('{{sender}} {{when}}, not read yet')}
                sender={message.sender}
                when={<TimeAgo at={message.created_at} />}
                read={<TimeAgo at={message.read_at} />}
              />
            </Text>
            <Text style={{ whiteSpace: 'pre-wrap' }} dir="auto">
              {message.text}
            </Text>
          </div>
        ))}
      </Stack>
    </section>
  );
}
