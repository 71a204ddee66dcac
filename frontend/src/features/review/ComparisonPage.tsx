import { Alert, Anchor, Badge, Button, Card, Group, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconChevronLeft, IconChevronRight, IconKeyboard } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { Conversation } from '@/components/Conversation';
import { Copy } from '@/components/Copy';
import { HelpDialog } from '@/components/HelpDialog';
import { StateBadge } from '@/components/JobProgress';
import { Markdown } from '@/components/Markdown';
import { PageHeader } from '@/components/PageHeader';
import { ShortcutButton } from '@/components/ShortcutButton';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api, withQuery } from '@/lib/api/client';
import type { ComparisonDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useMe, useProject } from '@/lib/session';
import type { Shortcut } from '@/lib/shortcuts/shortcuts';
import { useShortcuts } from '@/lib/shortcuts/useShortcuts';
import { inWords } from '@/lib/words';
import { Adjudicate } from './Adjudicate';
import { AiRatings } from './AiRatings';
import { Gold } from './Gold';
import { Opinions } from './Opinions';
import { SCROLLABLE } from './scrollable';
import { SendBack } from './SendBack';
import { canBecome, verdictChoices, verdictOfChoice, type Settling } from './settling';
import { useSettling } from './useSettling';
import { VerdictBar } from './VerdictBar';
import { useWalk, type Walk } from './walk';
import { hasRated, STATE_COLOURS, verdict } from './words';

/** Tinted text on tinted ground falls short of 4.5 : 1. */
const TITLE = { title: { color: 'var(--mantine-color-text)' } };

export function ComparisonPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const me = useMe();
  const queries = useQueryClient();
  const walk = useWalk(Number(id));
  const read = (which: string) => ({
    queryKey: ['projects', slug, 'comparisons', which],
    queryFn: () => api.get<ComparisonDetail>(`projects/${slug}/comparisons/${which}`),
  });
  const comparison = useQuery(read(id));
  const next = walk?.next;
  useEffect(() => {
    // The next one is there before it is asked for.
    if (next) void queries.prefetchQuery(read(String(next)));
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [next]);
  return (
    <Loaded query={comparison}>
      {(found) =>
        me.data && (
          <Reviewing
            key={`${found.id}/${found.adjudication?.id ?? ''}/${found.is_gold ? 'gold' : ''}`}
            found={found}
            walk={walk}
            isOwn={hasRated(found, me.data.pseudonym)}
          />
        )
      }
    </Loaded>
  );
}

/** One comparison with all that is known of it, and a reviewer's verdict on it. Mounted anew for each. */
function Reviewing({ found, walk, isOwn }: { found: ComparisonDetail; walk: Walk | null; isOwn: boolean }) {
  const { intensity_labels } = useProject();
  const navigate = useNavigate();
  const maySettle = useMay('adjudicate') && !isOwn;
  const mayReview = useMay('adjudicate');
  const [dialog, setDialog] = useState<'help' | 'back' | null>(null);
  const [hasKeys, setHasKeys] = useLocalStorage({ key: 'touchstone:single-keys', defaultValue: true, getInitialValueInEffect: false });
  const settlement = useSettling(found, walk);
  const { form, submit, goOn } = settlement;
  const choices = verdictChoices(intensity_labels);
  const choose = (verdict: Pick<Settling, 'verdict' | 'intensity'>) => {
    form.setValues(verdict);
    form.clearFieldError('verdict');
  };
  const isWalking = walk !== null;
  useEffect(() => {
    if (isWalking) window.scrollTo(0, 0);
  }, [isWalking]);

  const toggle = (field: 'isGold' | 'isExample' | 'hasGuidelineNote') => form.setFieldValue(field, !form.getValues()[field]);
  const can = canBecome(form.values, useProject().ties_allowed);
  const invalid: Shortcut = {
    id: 'invalid', keyName: 'X', label: t('Not valid'), perform: () => choose({ verdict: 'invalid', intensity: null }),
  };
  const settle: Shortcut = { id: 'settle', keyName: 'Enter', label: t('Settle'), isEnabled: form.values.verdict !== '', perform: submit };
  const writesGuidelines = useMay('guidelines');
  const settling: Shortcut[] = maySettle
    ? [
        ...choices.map((choice) => ({ ...choice, perform: () => choose(verdictOfChoice(choice)) })),
        invalid,
        settle,
        { id: 'note', keyName: 'J', label: t('Write down why'), perform: () => form.getInputNode('note')?.focus() },
        { id: 'gold', keyName: 'O', label: t('Make it gold'), isEnabled: can.gold && !found.is_gold, perform: () => toggle('isGold') },
        {
          id: 'example', keyName: 'E', label: t('Make it a worked example'), isEnabled: can.example && writesGuidelines,
          perform: () => toggle('isExample'),
        },
        {
          id: 'guideline-note', keyName: 'U', label: t('Note for the next guidelines'), isEnabled: writesGuidelines,
          perform: () => toggle('hasGuidelineNote'),
        },
      ]
    : [];
  const go = (id: number | null) => {
    if (walk && id) void navigate(walk.addressOf(id));
  };
  const steps: Shortcut[] = walk
    ? [
        { id: 'next', keyName: 'N', label: t('Next comparison'), isEnabled: walk.next !== null, perform: () => go(walk.next) },
        { id: 'previous', keyName: 'P', label: t('Previous comparison'), isEnabled: walk.previous !== null, perform: () => go(walk.previous) },
      ]
    : [];
  const help: Shortcut = { id: 'help', keyName: '?', label: t('Show these keys'), perform: () => setDialog('help') };
  const shortcuts = [...settling, ...steps, help];
  useShortcuts(shortcuts, hasKeys);

  return (
    <>
      <PageHeader
        title={t('Comparison {{id}}', { id: found.id })}
        description={<Standing found={found} />}
        actions={
          <>
            <ShortcutButton shortcut={help} text={t('Keys')} leftSection={<IconKeyboard size={16} aria-hidden />} />
            {mayReview && !found.is_gold && (
              <Button variant="default" onClick={() => setDialog('back')}>
                {t('Send back to labelling')}
              </Button>
            )}
          </>
        }
      />
      <Stack gap="xl">
        {walk && <WalkStrip walk={walk} steps={steps} />}
        <Opinions comparison={found} />
        <Conversation messages={found.prompt.messages} />
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          <Side name="A" side={found.a} n={found.n_a} />
          <Side name="B" side={found.b} n={found.n_b} />
        </SimpleGrid>
        <Flags found={found} />
        <Ratings found={found} />
        <AiRatings comparison={found.id} />
        {found.adjudication && <Settled found={found} />}
        {mayReview && isOwn && (
          <Alert color="gray" styles={TITLE} title={t('Another reviewer has to settle it')}>
            {t('You rated this comparison yourself.')}
          </Alert>
        )}
        {maySettle && <Adjudicate comparison={found} settlement={settlement} />}
        {mayReview && <Gold comparison={found} />}
        {maySettle && (
          <VerdictBar
            settlement={settlement}
            choices={choices}
            onChoose={(choice) => choose(verdictOfChoice(choice))}
            invalid={invalid}
            settle={settle}
          />
        )}
      </Stack>
      <HelpDialog isOpen={dialog === 'help'} onClose={() => setDialog(null)} shortcuts={shortcuts} hasKeys={hasKeys} onHasKeys={setHasKeys} />
      <SendBack comparison={found} isOpen={dialog === 'back'} onClose={() => setDialog(null)} onDone={goOn} />
    </>
  );
}

/** "3 of the first 50", and the way to the others. */
function WalkStrip({ walk, steps }: { walk: Walk; steps: Shortcut[] }) {
  const { slug } = useProject();
  const { position, n, next, reason } = walk;
  return (
    <Group justify="space-between" gap="xs" role="group" aria-label={t('Queue of disagreements')}>
      <Text size="sm" role="status">
        {position > 0 ? t('{{position}} of the first {{n}}', { position: number(position), n: number(n) }) : t('No longer in the queue')}
        {position > 0 && !next && `. ${t('That was the last of them.')}`}
      </Text>
      <Group gap="xs">
        {steps.toReversed().map((step) => (
          <ShortcutButton
            key={step.id}
            shortcut={step}
            text={step.id === 'next' ? t('Next') : t('Previous')}
            leftSection={step.id === 'next' ? undefined : <IconChevronLeft size={16} aria-hidden />}
            rightSection={step.id === 'next' ? <IconChevronRight size={16} aria-hidden /> : undefined}
          />
        ))}
        <Anchor component={Link} size="sm" to={withQuery(`/projects/${slug}/disagreements`, { reason })}>
          {t('Back to the queue')}
        </Anchor>
      </Group>
    </Group>
  );
}

function Standing({ found }: { found: ComparisonDetail }) {
  return (
    <Group gap="xs">
      <StateBadge state={found.state} colour={STATE_COLOURS[found.state]} />
      {found.is_gold && <StateBadge state="gold" colour="yellow" />}
      {found.warnings.map((category) => (
        <Badge key={category} variant="outline" color="orange" c="var(--mantine-color-text)" tt="none">
          {t('Warning: {{category}}', { category })}
        </Badge>
      ))}
      <Text span>
        {t('{{number}} of {{count}} ratings wanted', { number: number(found.n_ratings), count: found.n_wanted })}
        {found.disagreement !== null &&
          found.n_ratings > 1 &&
          `, ${t('{{share}} dissent', { share: percent(found.disagreement, 0) })}`}
      </Text>
    </Group>
  );
}

function Side({ name, side, n }: { name: string; side: ComparisonDetail['a']; n: number }) {
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Completion {{name}}', { name })}>
      <Group justify="space-between" mb="xs">
        <Group gap="xs">
          <Title order={2} size="h4">
            {name}
          </Title>
          <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {side.source.name} · {inWords(side.source.kind)}
          </Text>
        </Group>
        <Group gap="xs">
          <Text size="sm" c="dimmed">
            {t('preferred by {{number}}', { number: number(n) })}
          </Text>
          <Copy value={side.text} label={t('Copy completion {{name}}', { name })} />
        </Group>
      </Group>
      <Markdown text={side.text} />
    </Card>
  );
}

function Ratings({ found }: { found: ComparisonDetail }) {
  const { intensity_labels, bucket_axis, bucket_labels } = useProject();
  // Ratings keep their answer when a project no longer asks.
  const hasBuckets = bucket_labels.length > 0 || found.ratings.some(({ bucket }) => bucket !== null);
  return (
    <section>
      <Title order={2} size="h4" mb="sm">
        {t('{{count}} ratings', { count: found.ratings.length })}
      </Title>
      {found.ratings.length === 0 ? (
        <Text c="dimmed">{t('Nobody has rated it yet. The queue hands it out by its priority.')}</Text>
      ) : (
        <Table.ScrollContainer minWidth={640} scrollAreaProps={SCROLLABLE}>
          <Table aria-label={t('Ratings')} verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Labeller')}</Table.Th>
                <Table.Th>{t('Rating')}</Table.Th>
                {hasBuckets && <Table.Th>{bucket_axis || t('Second question')}</Table.Th>}
                <Table.Th>{t('Saw first')}</Table.Th>
                <Table.Th>{t('Reason')}</Table.Th>
                <Table.Th ta="right">{t('Time')}</Table.Th>
                <Table.Th>{t('Guidelines')}</Table.Th>
                <Table.Th>{t('When')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.ratings.map((rating) => (
                <Table.Tr key={rating.id} c={rating.is_superseded ? 'dimmed' : undefined}>
                  <Table.Td>
                    <Text span ff="monospace" fz="sm">
                      {rating.labeller.pseudonym}
                    </Text>
                    {rating.origin !== 'labeller' && (
                      <Text size="xs" c="dimmed">
                        {inWords(rating.origin)}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td fw={550}>
                    <Text span inherit td={rating.is_superseded ? 'line-through' : undefined}>
                      {verdict(intensity_labels, rating.preferred, rating.intensity)}
                    </Text>
                    {rating.is_neither_acceptable && <Text size="xs">{t('neither is acceptable')}</Text>}
                    {rating.is_superseded && <Text size="xs">{t('corrected by a later rating')}</Text>}
                    {rating.is_repeat && (
                      <Text size="xs" c="dimmed">
                        {t('asked again; does not count')}
                      </Text>
                    )}
                  </Table.Td>
                  {hasBuckets && <Table.Td>{rating.bucket === null ? '–' : (bucket_labels[rating.bucket] ?? number(rating.bucket + 1))}</Table.Td>}
                  <Table.Td>{rating.first?.toUpperCase() ?? '–'}</Table.Td>
                  <Table.Td maw={320}>
                    {rating.justification || (rating.spans.length === 0 && '–')}
                    {rating.spans.map(({ side, start, end, quote }) => (
                      <Text key={`${side} ${start} ${end}`} size="xs" c="dimmed" dir="auto">
                        {t('Marked in {{name}}: “{{quote}}”', { name: side.toUpperCase(), quote })}
                      </Text>
                    ))}
                  </Table.Td>
                  <Table.Td ta="right">{rating.active_ms === null ? '–' : `${Math.round(rating.active_ms / 1000)} s`}</Table.Td>
                  <Table.Td>{rating.guideline_version ? `v${rating.guideline_version}` : '–'}</Table.Td>
                  <Table.Td>
                    <TimeAgo at={rating.created_at} />
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

function Flags({ found }: { found: ComparisonDetail }) {
  return found.flags.map((flag) => (
    <Alert
      key={flag.id}
      color={flag.resolved_at ? 'gray' : 'red'}
      styles={TITLE}
      title={`${flag.resolved_at ? t('Resolved flag') : t('Flagged')}: ${inWords(flag.kind)}`}
    >
      {flag.note || t('No note.')}{' '}
      <Text span c="dimmed" size="sm">
        {flag.labeller.pseudonym}, <TimeAgo at={flag.created_at} />
      </Text>
    </Alert>
  ));
}

function Settled({ found }: { found: ComparisonDetail }) {
  const { intensity_labels } = useProject();
  const settled = found.adjudication;
  if (!settled) return null;
  return (
    <Alert color="grape" styles={TITLE} title={t('Settled: {{verdict}}', { verdict: verdict(intensity_labels, settled.verdict, settled.intensity) })}>
      {settled.note}{' '}
      <Text span c="dimmed" size="sm">
        {settled.reviewer}, <TimeAgo at={settled.created_at} />
        {settled.guideline_section && ` · ${t('decided by “{{section}}”', { section: settled.guideline_section })}`}
      </Text>
    </Alert>
  );
}
