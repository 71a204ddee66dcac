import { Anchor, Card, Group, SimpleGrid, Spoiler, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { JobActions } from '@/components/JobActions';
import { JobProgress, StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { GenerationDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import { totalOf } from './totals';

/** How far a generation is, what each source brought, and some of the texts. */
export function GenerationPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayAct = useMay('import');
  const key = ['projects', slug, 'generations', id];
  const generation = useQuery({
    queryKey: key,
    queryFn: () => api.get<GenerationDetail>(`projects/${slug}/generations/${id}`),
    refetchInterval: ({ state: { data } }) => (data && !data.finished_at && !data.job?.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={generation}>
      {({ number: n, job, counts, options, sample, finished_at }) => (
        <>
          <PageHeader
            title={t('Generation {{number}}', { number: n })}
            description={[
              options.order === 'random' ? t('Prompts drawn at random.') : t('Prompts of the least rated clusters first.'),
              t('Completions of {{count}} tokens at most.', { count: options.max_new_tokens }),
            ].join(' ')}
            actions={mayAct && job && <JobActions job={job} reload={key} />}
          />
          <Stack gap="lg">
            {job && (
              <div>
                <JobProgress job={job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${job.id}`} size="sm">
                  {t('Log of the job')}
                </Anchor>
              </div>
            )}
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              <CountCard label={t('Prompts')} value={counts.prompts || options.n_prompts} />
              <CountCard label={t('Written')} value={counts.written} />
              <CountCard label={t('Dropped')} value={totalOf(counts.dropped)} hint={reasons(counts.dropped)} />
              <CountCard label={t('Tokens written')} value={counts.n_tokens} />
            </SimpleGrid>
            <Sources counts={counts} />
            <section aria-labelledby="sample">
              <Title order={2} size="h4" mb="xs" id="sample">
                {t('Some of what was written')}
              </Title>
              {sample.length === 0 ? (
                <EmptyState title={finished_at ? t('Nothing new was written') : t('Nothing is stored yet')}>
                  {finished_at
                    ? t('Every text was in the pool already or too like another one. Ask for a higher temperature, or for other prompts.')
                    : t('Completions appear here when the first source has written all of its own.')}
                </EmptyState>
              ) : (
                <Stack gap="sm">
                  {sample.map((one) => (
                    <Card key={one.id} withBorder radius="md" padding="md">
                      <Group justify="space-between" gap="xs" mb={4}>
                        <Anchor component={Link} to={`/projects/${slug}/prompts/${one.prompt_id}`} size="sm" style={{ overflowWrap: 'anywhere' }}>
                          {one.prompt_excerpt}
                        </Anchor>
                        <StateBadge state={one.kind} />
                      </Group>
                      <Spoiler maxHeight={120} showLabel={t('Show all')} hideLabel={t('Show less')}>
                        <Text style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{one.text}</Text>
                      </Spoiler>
                      <Text size="xs" c="dimmed" mt={4} style={{ overflowWrap: 'anywhere' }}>
                        {one.source_name}
                        {one.n_tokens !== null && ` · ${t('{{count}} tokens', { count: one.n_tokens })}`}
                      </Text>
                    </Card>
                  ))}
                </Stack>
              )}
            </section>
          </Stack>
        </>
      )}
    </Loaded>
  );
}

const reasons = (dropped: Record<string, number>) =>
  Object.entries(dropped)
    .map(([why, n]) => `${number(n)} ${inWords(why)}`)
    .join(', ');

function Sources({ counts }: { counts: GenerationDetail['counts'] }) {
  const rows = Object.entries(counts.by_source);
  if (rows.length === 0) return null;
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table aria-label={t('By source')} verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('Written by')}</Table.Th>
            <Table.Th>{t('Kind')}</Table.Th>
            <Table.Th ta="right">{t('Written')}</Table.Th>
            <Table.Th ta="right">{t('Already there')}</Table.Th>
            <Table.Th>{t('Dropped')}</Table.Th>
            <Table.Th ta="right">{t('Tokens')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(([name, of]) => (
            <Table.Tr key={name}>
              <Table.Td>{name}</Table.Td>
              <Table.Td>{inWords(of.kind)}</Table.Td>
              <Table.Td ta="right">{number(of.written)}</Table.Td>
              <Table.Td ta="right">{number(of.already_there)}</Table.Td>
              <Table.Td>{reasons(of.dropped) || '–'}</Table.Td>
              <Table.Td ta="right">{number(of.n_tokens)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
