import { Accordion, Alert, Button, Code, Menu, SimpleGrid, Stack, Text, Title, Group } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { CountCard } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { RewardModelDetail, Stat } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { AccuracyBars } from './AccuracyBars';
import { Blocks, ChangeState } from './ChangeState';
import { pointsText } from './compare';
import { ExternalSets } from './ExternalSets';
import { byAge, ensemble, forgetting, isStat, numberAt, statAt, type Age } from './report';
import { RewardModelCharts } from './RewardModelCharts';
import { RewardModelErrors } from './RewardModelErrors';
import { RewardModelLength } from './RewardModelLength';
import { Promotions, RewardModelLineage } from './RewardModelLineage';
import { RewardModelSlices } from './RewardModelSlices';
import { RewardModelTraining } from './RewardModelTraining';
import { STATE_COLOURS } from './states';

const isUnderWay = ({ state, external }: RewardModelDetail) =>
  state === 'training' || external.some(({ job, report }) => job && !job.finished_at && !report);

export function RewardModelPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const model = useQuery({
    queryKey: ['projects', slug, 'reward-models', id],
    queryFn: () => api.get<RewardModelDetail>(`projects/${slug}/reward-models/${id}`),
    refetchInterval: ({ state: { data } }) => (data && isUnderWay(data) ? 2_000 : false),
  });
  return (
    <Loaded query={model}>
      {(found) => (
        <>
          <PageHeader
            title={t('Reward model v{{version}}', { version: found.version })}
            description={
              <Group gap="xs">
                <StateBadge state={found.state} colour={STATE_COLOURS[found.state]} />
                {found.n_members > 1 && <Text span>{t('ensemble of {{n}}', { n: found.n_members })}</Text>}
                <Text span c="dimmed">
                  {found.state_reason}
                </Text>
              </Group>
            }
            actions={
              <>
                {found.state === 'promoted' && (
                  <Button component={Link} to={`/projects/${slug}/playground`} variant="default">
                    {t('To the playground')}
                  </Button>
                )}
                {found.metrics.n_test > 0 && <Downloads model={found} />}
                {mayTrain && <ChangeState model={found} />}
              </>
            }
          />
          <Stack gap="xl">
            {found.job && (found.state === 'training' || found.state === 'failed') && <RewardModelTraining job={found.job} />}
            {found.blocks.length > 0 && <Blocks blocks={found.blocks} />}
            <Accuracy model={found} />
            <BesidePromoted model={found} />
            {(found.state === 'candidate' || found.state === 'retired') && (
              <Text size="sm" c="dimmed">
                {t('The playground tries it on texts of your own while it is promoted: the scorer serves promoted models only.')}
              </Text>
            )}
            <RewardModelSlices model={found} />
            <RewardModelCharts model={found} />
            <RewardModelLength model={found} />
            <Doubts model={found} />
            <RewardModelErrors model={found} />
            <ExternalSets model={found} />
            <RewardModelLineage model={found} />
            <Promotions model={found} />
            <Accordion variant="contained">
              <Accordion.Item value="config">
                <Accordion.Control>{t('Configuration')}</Accordion.Control>
                <Accordion.Panel>
                  <Code block>{JSON.stringify(found.config, null, 2)}</Code>
                </Accordion.Panel>
              </Accordion.Item>
              <Accordion.Item value="report">
                <Accordion.Control>{t('Whole report')}</Accordion.Control>
                <Accordion.Panel>
                  <Code block>{JSON.stringify(found.report, null, 2)}</Code>
                </Accordion.Panel>
              </Accordion.Item>
            </Accordion>
          </Stack>
        </>
      )}
    </Loaded>
  );
}

function Downloads({ model }: { model: RewardModelDetail }) {
  const { slug } = useProject();
  const path = `/api/v1/projects/${slug}/reward-models/${model.id}`;
  return (
    <>
      <Button component={Link} to={`/projects/${slug}/reward-models/compare?b=${model.id}`} variant="default">
        {t('Compare')}
      </Button>
      <Menu>
        <Menu.Target>
          <Button variant="default" leftSection={<IconDownload size={16} aria-hidden />}>
            {t('Download')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component="a" href={`${path}/card`} download>
            {t('Model card, Markdown')}
          </Menu.Item>
          <Menu.Item component="a" href={`${path}/report`} download>
            {t('Report, JSON')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

function Accuracy({ model }: { model: RewardModelDetail }) {
  const { accuracy, baselines } = model.metrics;
  if (accuracy.n === 0) {
    return (
      <EmptyState title={model.state === 'training' ? t('Training') : t('Not evaluated')}>
        {model.state === 'training' ? t('Figures appear when it has been evaluated.') : model.state_reason}
      </EmptyState>
    );
  }
  const incumbent = model.report.incumbent as { version?: number; accuracy?: unknown } | undefined;
  const first = statAt(model.report, 'baselines', 'first_shown');
  const ceiling = statAt(model.report, 'human_ceiling');
  const rows: { label: string; stat: Stat; isModel?: boolean }[] = [
    { label: t('This model, v{{version}}', { version: model.version }), stat: accuracy, isModel: true },
    ...(incumbent && isStat(incumbent.accuracy)
      ? [{ label: t('In use before, v{{version}}', { version: incumbent.version ?? '' }), stat: incumbent.accuracy }]
      : []),
    ...(ceiling?.n ? [{ label: t('People: one labeller against the rest'), stat: ceiling }] : []),
    { label: t('“The longer one is better”'), stat: baselines.longer },
    ...(first ? [{ label: t('“The one shown first”'), stat: first }] : []),
    { label: t('“Always a”'), stat: baselines.always_a },
  ];
  const advantage = statAt(model.report, 'advantage', 'longer');
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Accuracy on held-out prompts')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Share of {{count}} comparisons with a preferred side that it ranks as the labellers did, all on the same comparisons, none of whose prompts it was trained on. Lines are 95 % intervals.', {
          count: accuracy.n,
        })}
      </Text>
      <AccuracyBars rows={rows} />
      {advantage && advantage.low !== null && advantage.low <= 0 && (
        <Alert color="yellow" mt="sm">
          {t('On these comparisons it cannot be told from “the longer one is better” yet: more ratings narrow the interval.')}
        </Alert>
      )}
    </section>
  );
}

const AGES: Record<Age['name'], { title: string; about: (version: number) => string }> = {
  earlier: {
    title: t('On earlier comparisons'),
    about: (version) => t('Held out when v{{version}} was trained, with the ratings of then: what has been forgotten shows here.', { version }),
  },
  fresh: {
    title: t('On new comparisons'),
    about: (version) => t('Held out of this set and not in the one that v{{version}} learnt from.', { version }),
  },
};

/** The model in use on old and on new comparisons beside this one. */
function BesidePromoted({ model }: { model: RewardModelDetail }) {
  const ages = byAge(model.report);
  const version = numberAt(model.report, 'incumbent', 'version');
  if (ages.length === 0 || version === null) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Beside v{{version}}, which was in use', { version })}
      </Title>
      <SimpleGrid cols={{ base: 1, md: ages.length }}>
        {ages.map(({ name, own, theirs, difference }) => (
          <div key={name}>
            <Title order={3} size="h5">
              {AGES[name].title}
            </Title>
            <Text size="sm" c="dimmed" mb="sm">
              {AGES[name].about(version)}
            </Text>
            <AccuracyBars
              label={AGES[name].title}
              rows={[
                { label: t('This model, v{{version}}', { version: model.version }), stat: own, isModel: true },
                { label: t('In use before, v{{version}}', { version }), stat: theirs },
              ]}
            />
            <Text size="sm" mt="xs">
              {[pointsText(difference, `v${version}`, `v${model.version}`), `n = ${number(difference.n)}`].join(', ')}
            </Text>
          </div>
        ))}
      </SimpleGrid>
    </section>
  );
}

/** What an ensemble disagrees on, and what the base has forgotten. */
function Doubts({ model: { report } }: { model: RewardModelDetail }) {
  const lost = forgetting(report);
  const found = ensemble(report);
  if (!lost && found.length === 0) return null;
  return (
    <SimpleGrid cols={{ base: 1, md: lost && found.length > 0 ? 2 : 1 }}>
      {found.length > 0 && (
        <section>
          <Title order={2} size="h4" mb="xs">
            {t('Where its members differ')}
          </Title>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            {found.map(({ label, value }) => (
              <CountCard key={label} label={label} value={value} />
            ))}
          </SimpleGrid>
        </section>
      )}
      {lost && (
        <section>
          <Title order={2} size="h4" mb="xs">
            {t('What the base has forgotten')}
          </Title>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <CountCard label={t('Language-modelling loss before')} value={number(lost.before, 3)} />
            <CountCard label={t('… and after training')} value={number(lost.after, 3)} />
          </SimpleGrid>
          <Text size="sm" c="dimmed" mt="xs">
            {t('In nats a token. A rise says that training bent the base away from language: LoRA or a smaller learning rate helps.')}
          </Text>
        </section>
      )}
    </SimpleGrid>
  );
}
