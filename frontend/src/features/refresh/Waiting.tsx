import { Alert, Button, Card, Group, List, Progress, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from 'react-router';
import { CountCard } from '@/components/StatValue';
import type { RefreshCycle, RefreshStage } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { deadlineWords, forecastWords, progressOf } from './labelling';
import { SkipStage } from './StageActions';

interface Props {
  cycle: RefreshCycle;
  stage: RefreshStage;
}

/** What a waiting refresh waits for, and what to do about it. */
export function Waiting({ cycle, stage }: Props) {
  return stage.name === 'promote' ? <ForPromotion cycle={cycle} stage={stage} /> : <ForLabels cycle={cycle} stage={stage} />;
}

function ForLabels({ cycle, stage }: Props) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const mayLabel = useMay('label');
  const [isOpen, { open, close }] = useDisclosure();
  const { labelling, sampling_round: round } = cycle;
  const deadline = deadlineWords(cycle.config.labelling ?? {}, stage.started_at);
  return (
    <Card component="section" withBorder radius="md" aria-label={t('Labelling')}>
      <Stack gap="sm">
        <Title order={2} size="h4">
          {t('It waits for labels')}
        </Title>
        {labelling && (
          <>
            <div>
              <Group justify="space-between" gap="xs" mb={4}>
                <Text fw={550}>
                  {t('{{labelled}} of {{target}} comparisons labelled', { labelled: number(labelling.n_labelled), target: number(labelling.n_target) })}
                </Text>
                <Text size="sm" c="dimmed">
                  {t('{{count}} were asked for', { count: labelling.n_asked })}
                </Text>
              </Group>
              <Progress value={progressOf(labelling)} size="lg" aria-label={t('Labelled, of the target')} />
            </div>
            <Text aria-live="polite">{[forecastWords(labelling), deadline].filter(Boolean).join(' ')}</Text>
            <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
              <CountCard label={t('Ratings missing')} value={labelling.ratings_missing} hint={t('until it goes on')} />
              <CountCard label={t('Pace')} value={number(labelling.per_day, labelling.per_day > 0 && labelling.per_day < 10 ? 1 : 0)} hint={t('ratings a day, last 14 days')} />
            </SimpleGrid>
          </>
        )}
        <Group gap="sm">
          {mayLabel && (
            <Button component={Link} to={`/projects/${slug}/label`}>
              {t('Label')}
            </Button>
          )}
          {round && (
            <Button variant="default" component={Link} to={`/projects/${slug}/sampling-rounds/${round.id}`}>
              {t('What is asked, and why')}
            </Button>
          )}
          {mayTrain && stage.can_skip && (
            <Button variant="default" onClick={open}>
              {t('Go on with what there is')}
            </Button>
          )}
        </Group>
        <SkipStage cycle={cycle} stage={stage} isOpen={isOpen} close={close} title={t('Go on with what there is?')} action={t('Go on')} />
      </Stack>
    </Card>
  );
}

function ForPromotion({ cycle, stage }: Props) {
  const { slug } = useProject();
  const mayTrain = useMay('train');
  const [isOpen, { open, close }] = useDisclosure();
  const model = cycle.reward_model;
  if (!model) return null;
  return (
    <Card component="section" withBorder radius="md" aria-label={t('Promotion')}>
      <Stack gap="sm">
        <Title order={2} size="h4">
          {t('It waits for your decision on v{{version}}', { version: model.version })}
        </Title>
        <Text>{t('Look at its report and promote it there; the refresh then goes on by itself. Or leave the model in use where it is.')}</Text>
        {model.blocks.length > 0 && (
          <Alert color="orange" title={t('The rules are against promoting it')} styles={{ title: { color: 'var(--mantine-color-text)' } }}>
            <List size="sm" spacing={4}>
              {model.blocks.map(({ code, message }, position) => (
                <List.Item key={`${code} ${position}`}>{message}</List.Item>
              ))}
            </List>
          </Alert>
        )}
        <Group gap="sm">
          <Button component={Link} to={`/projects/${slug}/reward-models/${model.id}`}>
            {t('To reward model v{{version}}', { version: model.version })}
          </Button>
          {mayTrain && stage.can_skip && (
            <Button variant="default" onClick={open}>
              {t('Do not promote')}
            </Button>
          )}
        </Group>
        <SkipStage cycle={cycle} stage={stage} isOpen={isOpen} close={close} title={t('Do not promote v{{version}}?', { version: model.version })} action={t('Do not promote')} />
      </Stack>
    </Card>
  );
}
