import { Anchor, Button, Card, Code, Group, List, Menu, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { Copy } from '@/components/Copy';
import { Filled } from '@/components/Filled';
import { JobProgress } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ComparisonSet, SetChoices } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { ComparisonSetNoise } from './ComparisonSetNoise';
import { ComparisonSetRows } from './ComparisonSetRows';
import { queryOf } from './specForm';
import { inSentences } from './specWords';

const COUNTED = [
  ['comparisons', t('Comparisons')],
  ['train', t('To train on')],
  ['validation', t('For validation')],
  ['test', t('Held out')],
  ['prompts', t('Prompts')],
  ['ratings', t('Ratings')],
  ['ties', t('Ties')],
  ['labellers', t('Labellers')],
] as const;

export function ComparisonSetPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const path = `projects/${slug}/comparison-sets/${id}`;
  const set = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', id],
    queryFn: () => api.get<ComparisonSet>(path),
    refetchInterval: ({ state: { data } }) => (data && !data.frozen_at && !data.job?.finished_at ? 2_000 : false),
  });
  return (
    <Loaded query={set}>
      {(found) => (
        <>
          <PageHeader
            title={`${t('Comparison set {{number}}', { number: found.number })}${found.name ? `: ${found.name}` : ''}`}
            description={<About set={found} />}
            actions={found.frozen_at && <Actions set={found} />}
          />
          <Stack gap="xl">
            {found.job && !found.frozen_at && (
              <Card withBorder radius="md">
                <JobProgress job={found.job} />
                <Anchor component={Link} to={`/projects/${slug}/jobs/${found.job.id}`} size="sm" mt="xs">
                  {t('Its job and log')}
                </Anchor>
              </Card>
            )}
            <SimpleGrid cols={{ base: 2, sm: 4 }}>
              {COUNTED.map(([name, text]) => {
                const n = found.counts[name];
                return n !== undefined && <CountCard key={name} label={text} value={n} />;
              })}
            </SimpleGrid>
            <Chosen set={found} />
            {found.frozen_at && <ComparisonSetRows set={found} />}
            {found.frozen_at && <ComparisonSetNoise set={found} />}
            {found.digest && <Files set={found} />}
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Actions({ set }: { set: ComparisonSet }) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const path = `/api/v1/projects/${slug}/comparison-sets/${set.id}`;
  return (
    <>
      <Menu>
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
            {t('Download')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component="a" href={`${path}/card`} download={`comparison-set-${set.number}.md`}>
            {t('Dataset card, Markdown')}
          </Menu.Item>
          <Menu.Item component="a" href={`${path}/manifest`} download={`comparison-set-${set.number}-manifest.json`}>
            {t('Manifest, JSON')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {mayTrain && (
        <Button component={Link} to={`/projects/${slug}/reward-models/new?set=${set.id}`}>
          {t('Train a reward model on it')}
        </Button>
      )}
    </>
  );
}

/** What its spec asks for beyond the defaults. */
function Chosen({ set }: { set: ComparisonSet }) {
  const { slug, intensity_labels } = useProject();
  const mayTrain = useMay('train');
  const query = queryOf(set.spec);
  const hasNames = /(^|&)(sources|labellers|without_labellers)=/.test(query);
  const choices = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'choices'],
    queryFn: () => api.get<SetChoices>(`projects/${slug}/comparison-sets/choices`),
    enabled: hasNames,
  });
  const sentences = inSentences(set.spec, intensity_labels, choices.data);
  return (
    <section aria-labelledby="chosen-by">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4" id="chosen-by">
          {t('What was chosen')}
        </Title>
        {mayTrain && (
          <Button component={Link} to={`/projects/${slug}/comparison-sets/new${query && `?${query}`}`} variant="subtle" size="compact-sm">
            {t('New set like this')}
          </Button>
        )}
      </Group>
      {sentences.length === 0 ? (
        <Text>{t('Every comparison with a rating and a preferred side.')}</Text>
      ) : (
        <List spacing={4}>
          {sentences.map((sentence) => (
            <List.Item key={sentence}>{sentence}</List.Item>
          ))}
        </List>
      )}
    </section>
  );
}

/** Where its files are, and how to read them. */
function Files({ set: { digest, uri } }: { set: ComparisonSet }) {
  const directory = uri.replace(/^file:\/\//, '');
  const code = `from datasets import load_dataset\nrows = load_dataset("${directory}", split="train")\nprint(rows[0]["chosen"])`;
  return (
    <section aria-labelledby="files">
      <Title order={2} size="h4" mb="xs" id="files">
        {t('Files')}
      </Title>
      <Group gap="xs">
        <Text size="sm">SHA-256</Text>
        <Code>{digest.slice(0, 16)}…</Code>
        <Copy value={digest} label={t('Copy the digest')} />
      </Group>
      <Group gap="xs" mt={4}>
        <Text size="sm">{t('Where')}</Text>
        <Code style={{ overflowWrap: 'anywhere' }}>{uri}</Code>
        <Copy value={uri} label={t('Copy the place')} />
      </Group>
      <Group gap="xs" mt="sm" justify="space-between">
        <Text size="sm">{t('In Python')}</Text>
        <Copy value={code} label={t('Copy the code')} />
      </Group>
      <Code block tabIndex={0} aria-label={t('In Python')}>
        {code}
      </Code>
    </section>
  );
}

function About({ set }: { set: ComparisonSet }) {
  const versions = set.counts.guideline_versions ?? [];
  if (!set.frozen_at) return set.job?.finished_at ? t('Not written: its job did not end well.') : t('Being written.');
  return (
    <>
      <Filled
        text={t('Frozen {{when}}: the same ratings and spec give the same bytes.')}
        when={<TimeAgo at={set.frozen_at} />}
      />
      {versions.length > 0 &&
        ` ${t('Rated by guidelines {{versions}}.', { versions: versions.map((version) => `v${version}`).join(', ') })}`}
    </>
  );
}
