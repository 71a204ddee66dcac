import { Anchor, Badge, Button, Stack, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import type { Constitution, Judge, JudgeRun } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { judgeName, versionName } from '@/lib/judges';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { StartRun } from './StartRun';
import { reportOf, SCOPES, standing } from './words';

/** Constitutions, the judges that rate by them, and their runs. */
export function JudgesPage() {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const constitutions = usePages<Constitution>(['projects', slug, 'constitutions'], `projects/${slug}/constitutions`);
  const judges = usePages<Judge>(['projects', slug, 'judges'], `projects/${slug}/judges`, {}, 5_000);
  const runs = usePages<JudgeRun>(['projects', slug, 'judge-runs'], `projects/${slug}/judge-runs`, {}, 3_000);
  const versions = (constitutions.rows ?? []).flatMap(({ name, versions: all }) =>
    all.filter(({ published_at }) => published_at !== null).map(({ id, number: n }) => ({ id, name: `${name} v${n}` })),
  );
  const write = mayTrain && (
    <Button component={Link} to={`/projects/${slug}/constitutions/new`} variant={versions.length > 0 ? 'default' : 'filled'}>
      {t('Write a constitution')}
    </Button>
  );
  return (
    <>
      <PageHeader
        title={t('AI labellers')}
        description={t('Language models that rate comparisons by written principles. Their ratings stand apart from people’s: in no count, no gold, no evaluation, and in a comparison set only where you ask for them.')}
        actions={write}
      />
      <Stack gap="xl">
        {mayTrain && versions.length > 0 && <StartRun versions={versions} />}
        <section>
          <Title order={2} size="h4" mb="xs">
            {t('Constitutions')}
          </Title>
          <PagedTable
            label={t('Constitutions')}
            query={constitutions}
            rowKey={(row) => row.id}
            minWidth={360}
            empty={
              <EmptyState title={t('No constitution yet')} action={write}>
                {t('Principles in plain words, one for each thing to judge by. Publish them, and a judge can be asked by them.')}
              </EmptyState>
            }
            columns={[
              {
                title: t('Name'),
                cell: (row) => (
                  <Anchor component={Link} to={`/projects/${slug}/constitutions/${row.id}`}>
                    {row.name}
                  </Anchor>
                ),
              },
              { title: t('Published'), cell: (row) => <Published versions={row.versions} /> },
              { title: t('Principles'), align: 'right', cell: ({ versions: [newest] }) => number(newest?.principles.length ?? 0) },
            ]}
          />
        </section>
        <section>
          <Title order={2} size="h4" mb="xs">
            {t('Judges')}
          </Title>
          <PagedTable
            label={t('Judges')}
            query={judges}
            rowKey={(row) => row.id}
            minWidth={720}
            empty={<Text c="dimmed">{t('Nobody has judged yet. A judge appears here with its first run.')}</Text>}
            columns={[
              {
                title: t('Judge'),
                cell: (row) => (
                  <Anchor component={Link} to={`/projects/${slug}/judges/${row.id}`} style={{ overflowWrap: 'anywhere' }}>
                    {judgeName(row)}
                    {row.chain_of_thought && ` · ${t('with reasons')}`}
                  </Anchor>
                ),
              },
              { title: t('Constitution'), cell: versionName },
              { title: t('AI ratings'), align: 'right', cell: (row) => number(row.n_ratings) },
              {
                title: t('κ with people'),
                cell: ({ report }) => {
                  const found = reportOf(report);
                  return found ? <StatText stat={found.kappa} style="number" isStacked /> : <Text c="dimmed">–</Text>;
                },
              },
              {
                title: t('Counts'),
                cell: ({ allowed_at }) => (
                  <Badge variant="light" color={allowed_at ? 'teal' : 'gray'} c="var(--mantine-color-text)" tt="none">
                    {allowed_at ? t('allowed') : t('does not count')}
                  </Badge>
                ),
              },
            ]}
          />
        </section>
        <section>
          <Title order={2} size="h4" mb="xs">
            {t('Runs')}
          </Title>
          <PagedTable
            label={t('Runs')}
            query={runs}
            rowKey={(row) => row.id}
            minWidth={720}
            empty={<Text c="dimmed">{t('No run yet. Begin with comparisons that people have rated: they show what a judge is worth.')}</Text>}
            columns={[
              {
                title: t('Run'),
                cell: (row) => (
                  <Anchor component={Link} to={`/projects/${slug}/judge-runs/${row.id}`}>
                    {row.number}
                  </Anchor>
                ),
              },
              { title: t('Judge'), cell: ({ judge }) => <span style={{ overflowWrap: 'anywhere' }}>{judgeName(judge)}</span> },
              { title: t('Comparisons'), cell: ({ scope }) => SCOPES.find(({ value }) => value === scope)?.label },
              { title: t('State'), cell: ({ job }) => <StateBadge state={job?.is_cancelling ? 'cancelling' : (job?.state ?? 'queued')} /> },
              { title: t('Judged'), align: 'right', cell: ({ counts, job }) => number(counts.n_judged ?? job?.progress.done) },
              { title: t('Started'), cell: (row) => <TimeAgo at={row.created_at} /> },
            ]}
          />
        </section>
      </Stack>
    </>
  );
}

function Published({ versions }: { versions: Constitution['versions'] }) {
  const { published, draft } = standing(versions);
  return (
    <>
      {published ? `v${published.number}` : <Text span c="dimmed">{t('not yet')}</Text>}
      {draft && (
        <Badge variant="light" color="yellow" c="var(--mantine-color-text)" tt="none" ml="xs">
          {t('draft')}
        </Badge>
      )}
    </>
  );
}
