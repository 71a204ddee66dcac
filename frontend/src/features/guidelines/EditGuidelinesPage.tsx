import { Alert, Anchor, Button, Group, Stack, Switch, Tabs, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMediaQuery, useWindowEvent } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useEffect, useEffectEvent, useRef, useState } from 'react';
import { Link, useBlocker, useNavigate } from 'react-router';
import { askFirst } from '@/components/confirm';
import { GuidelinesText } from '@/components/GuidelinesText';
import { PageHeader } from '@/components/PageHeader';
import { tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { GuidelineVersion } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { CompareVersions } from './CompareVersions';
import { draftOf, emptyExample, missingIn, neededOf, type Draft } from './draft';
import classes from './Edit.module.css';
import { ExampleFields } from './ExampleFields';

async function fetchCurrent(slug: string): Promise<GuidelineVersion | null> {
  try {
    return await api.get<GuidelineVersion>(`projects/${slug}/guidelines/current`);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'no_guidelines') return null;
    throw error;
  }
}

export function EditGuidelinesPage() {
  const { slug } = useProject();
  // Asked once a visit: what is being written does not give way to what somebody else publishes meanwhile.
  const current = useQuery({
    queryKey: ['projects', slug, 'guidelines-to-edit'],
    queryFn: () => fetchCurrent(slug),
    staleTime: Infinity,
    gcTime: 0,
  });
  return (
    <>
      <PageHeader
        title={t('Write guidelines')}
        description={t('In Markdown, with formulas between dollar signs. Publishing makes a new version; the ones before stay as they were.')}
      />
      <Loaded query={current}>{(version) => <Editor current={version} />}</Loaded>
    </>
  );
}

/** Ask before what was written is left behind, within the application and when the tab is closed. */
function useWarningOfLoss(isAtRisk: () => boolean) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isAtRisk() && currentLocation.pathname !== nextLocation.pathname,
  );
  const ask = useEffectEvent(() => {
    askFirst({
      title: t('Leave without publishing?'),
      text: t('What you have written here is not published and will be lost.'),
      confirm: t('Leave'),
      onConfirm: () => blocker.proceed?.(),
      onCancel: () => blocker.reset?.(),
    });
  });
  useEffect(() => {
    if (blocker.state === 'blocked') ask();
    // Again for another destination: who closes the question without an answer stays.
  }, [blocker.state, blocker.location]);
  useWindowEvent('beforeunload', (event) => {
    if (isAtRisk()) event.preventDefault();
  });
}

const isConflict = (error: unknown) => error instanceof ApiError && error.status === 409;

type Tab = 'write' | 'preview' | 'changes';

function Editor({ current }: { current: GuidelineVersion | null }) {
  const project = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const isWide = useMediaQuery('(min-width: 90em)', false, { getInitialValueInEffect: false });
  const [tab, setTab] = useState<Tab>('write');
  const [problem, setProblem] = useState('');
  // The newest version that the draft takes into account.
  const [base, setBase] = useState(current?.number ?? 0);
  const form = useForm<Draft>({ initialValues: draftOf(current), validate: missingIn });
  const isPublished = useRef(false);
  useWarningOfLoss(() => form.isDirty() && !isPublished.current);

  const publish = useMutation({
    mutationFn: (draft: Draft) =>
      api.post<GuidelineVersion>(`projects/${project.slug}/guidelines`, { ...draft, based_on: base }),
    onSuccess: async (version) => {
      isPublished.current = true;
      tell(t('Version {{number}} is published.', { number: version.number }));
      void navigate(`/projects/${project.slug}/guidelines`);
      await queries.invalidateQueries({ queryKey: ['projects', project.slug, 'guidelines'] });
    },
    onError: (error) => {
      setTab('write');
      setProblem(isConflict(error) ? '' : showErrors(form, error) || t('Some fields need another look; they say why.'));
    },
  });
  // Rendering it does not hold up typing.
  const shown = useDeferredValue(form.values);
  const preview: GuidelineVersion = { ...shown, number: base + 1, author: '', published_at: '' };
  const isFirst = base === 0;

  const write = (
    <Stack maw={860}>
      <Textarea
        label={t('Text')}
        autosize
        minRows={14}
        maxRows={40}
        withAsterisk
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        {...form.getInputProps('body')}
      />
      <Title order={2}>{t('Worked examples')}</Title>
      <Text c="dimmed" size="sm">
        {t('A pair with its verdict and the reason for it teaches more than a rule.')} <QuizSummary draft={form.values} />
      </Text>
      {form.values.examples.map((_, position) => (
        <ExampleFields key={position} form={form} position={position} />
      ))}
      <Button
        variant="default"
        w="fit-content"
        leftSection={<IconPlus size={16} aria-hidden />}
        onClick={() => form.insertListItem('examples', emptyExample(project.intensity_labels.length))}
      >
        {t('Add an example')}
      </Button>
    </Stack>
  );

  return (
    <form
      noValidate
      onSubmit={form.onSubmit(
        (values) => {
          setProblem('');
          publish.mutate(values);
        },
        () => {
          setTab('write');
          setProblem(t('Some fields need another look; they say why.'));
        },
      )}
    >
      <div className={isWide ? classes.beside : undefined}>
        {isWide && write}
        <Tabs
          value={isWide && tab === 'write' ? 'preview' : tab}
          onChange={(value) => setTab(value as Tab)}
          keepMounted={false}
          className={isWide ? classes.aside : undefined}
        >
          <Tabs.List mb="md">
            {!isWide && <Tabs.Tab value="write">{t('Write')}</Tabs.Tab>}
            <Tabs.Tab value="preview">{t('Preview')}</Tabs.Tab>
            {current && <Tabs.Tab value="changes">{t('What changes')}</Tabs.Tab>}
          </Tabs.List>
          {!isWide && <Tabs.Panel value="write">{write}</Tabs.Panel>}
          <Tabs.Panel value="preview">
            <GuidelinesText version={preview} labels={project.intensity_labels} />
          </Tabs.Panel>
          {current && (
            <Tabs.Panel value="changes">
              <CompareVersions before={current} after={preview} labels={project.intensity_labels} />
            </Tabs.Panel>
          )}
        </Tabs>
      </div>
      <div className={classes.publish}>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        {isConflict(publish.error) && <Overtaken base={base} onTaken={setBase} onDone={() => publish.reset()} />}
        {!isFirst && (
          <>
            <Switch
              label={t('This version changes what ratings mean')}
              description={t(
                'Every labeller reads it and passes its quiz before there is more work. Leave it off for clearer wording: labellers are told and go on.',
              )}
              {...form.getInputProps('changes_meaning', { type: 'checkbox' })}
            />
            <TextInput
              label={t('What changed')}
              description={t('Labellers read it when they are told of the version.')}
              maxLength={500}
              {...form.getInputProps('change_note')}
            />
          </>
        )}
        <Group>
          <Button type="submit" loading={publish.isPending}>
            {t('Publish version {{number}}', { number: preview.number })}
          </Button>
          <Button component={Link} to={`/projects/${project.slug}/guidelines`} variant="default">
            {t('Cancel')}
          </Button>
        </Group>
      </div>
    </form>
  );
}

/** What the quiz will be, with the examples as they are now. */
function QuizSummary({ draft }: { draft: Draft }) {
  const { quiz_pass_share: share } = useProject();
  const n_asked = draft.examples.filter((example) => example.in_quiz).length;
  if (share === 0) return t('This project asks no quiz: its settings set the pass mark to 0.');
  if (n_asked === 0) return t('None is asked in a quiz: labellers only read this version.');
  return t('{{count}} of them are asked in the quiz. Right answers needed: {{needed}}.', { count: n_asked, needed: neededOf(n_asked, share) });
}

/** Somebody else has published while this was written. */
function Overtaken({ base, onTaken, onDone }: { base: number; onTaken: (number: number) => void; onDone: () => void }) {
  const { slug } = useProject();
  const newest = useQuery({
    queryKey: ['projects', slug, 'guidelines-meanwhile', base],
    queryFn: () => fetchCurrent(slug),
    staleTime: 0,
    gcTime: 0,
  });
  return (
    <Loaded query={newest} rows={1}>
      {(version) => {
        const number = version?.number ?? 0;
        const address = base > 0 ? `?version=${number}&compare=${base}` : '';
        return (
          <Alert color="yellow" role="alert" title={t('Version {{number}} was published meanwhile', { number })}>
            <Stack gap="sm" align="flex-start">
              <Text size="sm">{t('Read what it changes, and carry over what should stay: your version replaces it.')}</Text>
              <Group gap="sm">
                <Anchor size="sm" href={`/projects/${slug}/guidelines${address}`} target="_blank">
                  {t('See version {{number}} in a new tab', { number })}
                </Anchor>
                <Button
                  size="xs"
                  variant="default"
                  onClick={() => {
                    onTaken(number);
                    onDone();
                  }}
                >
                  {t('I have read it')}
                </Button>
              </Group>
            </Stack>
          </Alert>
        );
      }}
    </Loaded>
  );
}
