import { Alert, Anchor, Badge, Button, Card, Group, List, Modal, SimpleGrid, Stack, Table, Text, Textarea, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { JobActions } from '@/components/JobActions';
import { JobProgress } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard, StatCard, StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api, withQuery } from '@/lib/api/client';
import type { Judge, JudgeReport } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { judgeName, versionName } from '@/lib/judges';
import { useMay, useProject } from '@/lib/session';
import { NEEDED_COMPARISONS, reportOf, sliceName } from './words';

const isComparing = ({ report_job }: Judge) => report_job !== null && !report_job.finished_at;

/** How a judge compares with people, and whether its ratings count. */
export function JudgePage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const key = ['projects', slug, 'judges', id];
  const judge = useQuery({
    queryKey: key,
    queryFn: () => api.get<Judge>(`projects/${slug}/judges/${id}`),
    refetchInterval: ({ state: { data } }) => (data && isComparing(data) ? 1_000 : false),
  });
  return (
    <Loaded query={judge}>
      {(found) => {
        const report = reportOf(found.report);
        return (
          <>
            <PageHeader
              title={judgeName(found)}
              description={
                <Group gap="xs">
                  <Badge variant="light" color={found.allowed_at ? 'teal' : 'gray'} c="var(--mantine-color-text)" tt="none">
                    {found.allowed_at ? t('allowed') : t('does not count')}
                  </Badge>
                  <span>
                    {versionName(found)}
                    {found.chain_of_thought && ` · ${t('with reasons')}`}
                    {` · ${t('{{count}} AI ratings', { count: found.n_ratings })}`}
                  </span>
                </Group>
              }
              actions={mayTrain && <Actions judge={found} />}
            />
            <Stack gap="xl">
              {found.report_job && found.report_job.state !== 'succeeded' && (
                <Card withBorder radius="md" component="section" aria-label={t('Comparing it anew')}>
                  <JobProgress job={found.report_job} />
                  {mayTrain && (
                    <Group mt="sm">
                      <JobActions job={found.report_job} reload={key} />
                    </Group>
                  )}
                </Card>
              )}
              {found.reasons.length > 0 && (
                <Alert color={found.allowed_at ? 'red' : 'yellow'} title={found.allowed_at ? t('It no longer shows what is needed') : t('It may not count yet')}>
                  <List size="sm">
                    {found.reasons.map((reason) => (
                      <List.Item key={reason}>{reason}</List.Item>
                    ))}
                  </List>
                </Alert>
              )}
              {report && report.n > 0 ? (
                <Report report={report} at={found.reported_at} />
              ) : (
                <EmptyState title={t('Not compared with people yet')}>
                  {t('Have it judge comparisons that people have rated, {{n}} at least.', { n: NEEDED_COMPARISONS })}
                </EmptyState>
              )}
            </Stack>
          </>
        );
      }}
    </Loaded>
  );
}

function Actions({ judge }: { judge: Judge }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const path = `projects/${slug}/judges/${judge.id}`;
  const done = async (text: string) => {
    setOpen(false);
    tell(text);
    await queries.invalidateQueries({ queryKey: ['projects', slug, 'judges'] });
  };
  const compare = useMutation({ mutationFn: () => api.post<Judge>(path), onSuccess: () => done(t('It is compared with the ratings of now.')), onError: complain });
  const allow = useMutation({ mutationFn: () => api.post<Judge>(`${path}/allowance`), onSuccess: () => done(t('Its ratings may be put into comparison sets.')), onError: complain });
  const withdraw = useMutation({
    mutationFn: () => api.delete(withQuery(`${path}/allowance`, { reason: reason.trim() })),
    onSuccess: () => done(t('Its ratings are kept out of comparison sets.')),
    onError: complain,
  });
  return (
    <>
      <Button variant="default" loading={compare.isPending || isComparing(judge)} onClick={() => compare.mutate()}>
        {t('Compare anew')}
      </Button>
      {judge.allowed_at ? (
        <Button color="red" variant="light" onClick={() => setOpen(true)}>
          {t('Withdraw')}
        </Button>
      ) : (
        <Button loading={allow.isPending} disabled={judge.reasons.length > 0} onClick={() => allow.mutate()}>
          {t('Allow')}
        </Button>
      )}
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={t('Withdraw this judge?')} closeButtonProps={{ 'aria-label': t('Close') }}>
        <Stack>
          <Text size="sm">{t('Its ratings stay, and are in no comparison set that is made from now on. Sets that are written stay as they are.')}</Text>
          <Textarea label={t('Reason')} maxLength={500} autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} data-autofocus />
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)}>
              {t('Cancel')}
            </Button>
            <Button color="red" loading={withdraw.isPending} onClick={() => withdraw.mutate()}>
              {t('Withdraw')}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function Report({ report, at }: { report: JudgeReport; at: string | null }) {
  const { position, length } = report;
  return (
    <>
      <section aria-labelledby="with-people">
        <Title order={2} size="h4" id="with-people">
          {t('Beside people')}
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          {t('On {{n}} that people have an answer to, ties apart.', { n: t('{{count}} comparisons', { count: report.n }) })} {at && <TimeAgo at={at} />}
        </Text>
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
          <StatCard label={t('κ with people')} stat={report.kappa} style="number" />
          {report.people_kappa && <StatCard label={t('κ of people among themselves')} stat={report.people_kappa} style="number" />}
          <StatCard label={t('Agreement with people')} stat={report.agreement} />
          <CountCard label={t('Without a preference')} value={report.n_undecided} hint={t('counted as no agreement')} />
          {report.brier !== null && <CountCard label={t('Brier score')} value={number(report.brier, 3)} hint={t('0 is best, a coin has 0.25')} />}
        </SimpleGrid>
      </section>
      <section aria-labelledby="biases">
        <Title order={2} size="h4" mb="sm" id="biases">
          {t('What it likes apart from the principles')}
        </Title>
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
          {position.bias !== null && (
            <CountCard label={t('For the completion shown first')} value={percent(position.bias)} hint={t('above one half; the two orders cancel it out')} />
          )}
          {position.flips !== null && <CountCard label={t('Answers that turn with the order')} value={percent(position.flips)} />}
          <StatCard label={t('Prefers the longer one')} stat={length.judge} />
          <StatCard label={t('People prefer the longer one')} stat={length.people} />
        </SimpleGrid>
      </section>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        <section aria-labelledby="calibration">
          <Title order={2} size="h4" mb="xs" id="calibration">
            {t('Is it as sure as it should be?')}
          </Title>
          <Table aria-labelledby="calibration">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Its confidence')}</Table.Th>
                <Table.Th ta="right">{t('Comparisons')}</Table.Th>
                <Table.Th ta="right">{t('People agree')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {report.calibration
                .filter(({ n }) => n > 0)
                .map((bin) => (
                  <Table.Tr key={bin.low}>
                    <Table.Td>{t('{{low}} to {{high}}', { low: percent(bin.low, 0), high: percent(bin.high, 0) })}</Table.Td>
                    <Table.Td ta="right">{number(bin.n)}</Table.Td>
                    <Table.Td ta="right">{percent(bin.agrees, 0)}</Table.Td>
                  </Table.Tr>
                ))}
            </Table.Tbody>
          </Table>
        </section>
        {report.slices.length > 0 && <Slices slices={report.slices} />}
      </SimpleGrid>
      <Disagreements rows={report.disagreements} />
    </>
  );
}

function Slices({ slices }: { slices: JudgeReport['slices'] }) {
  return (
    <section aria-labelledby="slices" style={{ minWidth: 0 }}>
      <Title order={2} size="h4" mb="xs" id="slices">
        {t('By slice')}
      </Title>
      <Table.ScrollContainer minWidth={420}>
        <Table aria-labelledby="slices">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Slice')}</Table.Th>
              <Table.Th>{t('κ')}</Table.Th>
              <Table.Th>{t('Agreement')}</Table.Th>
              <Table.Th ta="right">n</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {slices.map((slice) => (
              <Table.Tr key={`${slice.by} ${slice.name}`}>
                <Table.Td>
                  {sliceName(slice.by)}: {slice.name || t('unknown')}
                </Table.Td>
                <Table.Td>
                  <StatText stat={slice.kappa} style="number" isStacked />
                </Table.Td>
                <Table.Td>
                  <StatText stat={slice.agreement} isStacked />
                </Table.Td>
                <Table.Td ta="right">{number(slice.n)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Disagreements({ rows }: { rows: JudgeReport['disagreements'] }) {
  const { slug } = useProject();
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="disagreements">
      <Title order={2} size="h4" id="disagreements">
        {t('Sure of the other side than people')}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t('One of the two is wrong. Once the judge shows what is needed, reviewers find these in their queue.')}{' '}
        <Anchor component={Link} to={`/projects/${slug}/disagreements?reason=judge_against`} underline="always" inherit>
          {t('To the queue')}
        </Anchor>
      </Text>
      <Table.ScrollContainer minWidth={360}>
        <Table aria-labelledby="disagreements">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Comparison')}</Table.Th>
              <Table.Th>{t('People')}</Table.Th>
              <Table.Th ta="right">{t('Judge for A')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.slice(0, 50).map((row) => (
              <Table.Tr key={row.comparison_id}>
                <Table.Td>
                  <Anchor component={Link} to={`/projects/${slug}/comparisons/${row.comparison_id}`}>
                    {t('Comparison {{id}}', { id: row.comparison_id })}
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  {row.side.toUpperCase()} · {percent(row.share, 0)}
                </Table.Td>
                <Table.Td ta="right">{percent(row.p_a, 0)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
