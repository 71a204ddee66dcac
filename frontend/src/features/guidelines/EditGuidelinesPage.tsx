import { Alert, Anchor, Button, Group, Stack, Switch, Tabs, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMediaQuery, useWindowEvent } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useEffect, useEffectEvent, useState, useSyncExternalStore } from 'react';
import { Link, useBlocker, useNavigate } from 'react-router';
import { askFirst } from '@/components/confirm';
import { GuidelinesText } from '@/components/GuidelinesText';
import { PageHeader } from '@/components/PageHeader';
import { complain, tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { GuidelineDraft, GuidelineVersion } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { CompareVersions } from './CompareVersions';
import { draftOf, emptyExample, missingIn, neededOf, type Draft } from './draft';
import classes from './Edit.module.css';
import { ExampleFields } from './ExampleFields';
import { fetchCurrent, fetchDraft } from './fetch';
import { Notes } from './Notes';
import { Conflict, SaveState } from './SaveState';
import { DraftSaver } from './saver';

/** What there is to go on from: the version in force, and the draft that others may have begun. */
interface Opened {
  current: GuidelineVersion | null;
  draft: GuidelineDraft | null;
}

async function fetchToEdit(slug: string): Promise<Opened> {
  const [current, draft] = await Promise.all([fetchCurrent(slug), fetchDraft(slug)]);
  return { current, draft };
}

export function EditGuidelinesPage() {
  const { slug } = useProject();
  // Asked once a visit: what is being written does not give way to what somebody else publishes meanwhile.
  const opened = useQuery({
    queryKey: ['projects', slug, 'guidelines-to-edit'],
    queryFn: () => fetchToEdit(slug),
    staleTime: Infinity,
    gcTime: 0,
    refetchOnReconnect: false,
  });
  return (
    <>
      <PageHeader
        title={t('Write guidelines')}
        description={t('In Markdown, with formulas between dollar signs. The draft is shared by all who write guidelines and saved as you write. Publishing makes a new version; the ones before stay as they were.')}
      />
      <Loaded query={opened}>
        {(found) => <Editor key={opened.dataUpdatedAt} opened={found} onReload={() => void opened.refetch()} />}
      </Loaded>
    </>
  );
}

/** Save on the way out; ask before what cannot be saved is left behind, and before the tab is closed too early. */
function useSavedOnLeave(saver: DraftSaver) {
  const isStuck = () => ['failed', 'conflict'].includes(saver.getSnapshot().state);
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => isStuck() && currentLocation.pathname !== nextLocation.pathname,
  );
  const ask = useEffectEvent(() => {
    askFirst({
      title: t('Leave without saving?'),
      text: t('What you have written here is not saved and will be lost.'),
      confirm: t('Leave'),
      onConfirm: () => {
        saver.close();
        blocker.proceed?.();
      },
      onCancel: () => blocker.reset?.(),
    });
  });
  useEffect(() => {
    if (blocker.state === 'blocked') ask();
    // Again for another destination: who closes the question without an answer stays.
  }, [blocker.state, blocker.location]);
  useWindowEvent('beforeunload', (event) => {
    if (saver.isUnsaved) event.preventDefault();
  });
  useEffect(() => () => void saver.flush(), [saver]);
}

const isRefusedAs = (error: unknown, code: string) => error instanceof ApiError && error.code === code;

type Tab = 'write' | 'preview' | 'changes' | 'notes';

function Editor({ opened: { current, draft }, onReload }: { opened: Opened; onReload: () => void }) {
  const project = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const isWide = useMediaQuery('(min-width: 90em)', false, { getInitialValueInEffect: false });
  const hasNotes = (draft?.notes.length ?? 0) > 0;
  const [tab, setTab] = useState<Tab>(isWide && hasNotes ? 'notes' : 'write');
  const [problem, setProblem] = useState('');
  // The newest version that the draft takes into account.
  const [base, setBase] = useState(draft?.based_on ?? current?.number ?? 0);
  const [saver] = useState(() => new DraftSaver({ slug: project.slug, draft }));
  const saved = useSyncExternalStore(saver.subscribe, saver.getSnapshot);
  const form = useForm<Draft>({
    initialValues: draftOf(current, draft),
    validate: missingIn,
    onValuesChange: (values) => saver.change(values),
  });
  useSavedOnLeave(saver);
  const address = `projects/${project.slug}/guidelines`;

  const publish = useMutation({
    mutationFn: async (values: Draft) => {
      await saver.flush();
      const { state, revision, problem: why } = saver.getSnapshot();
      if (state === 'conflict') return null;
      if (state === 'failed') throw new ApiError(0, 'not_saved', why);
      const { body, change_note, changes_meaning, examples } = values;
      return api.post<GuidelineVersion>(address, { body, change_note, changes_meaning, examples, based_on: base, draft_revision: revision });
    },
    onSuccess: async (version) => {
      // Somebody else has saved the draft meanwhile; the notice says so.
      if (!version) return;
      saver.close();
      tell(t('Version {{number}} is published.', { number: version.number }));
      void navigate(`/${address}`);
      await queries.invalidateQueries({ queryKey: ['projects', project.slug, 'guidelines'] });
    },
    onError: async (error, values) => {
      setTab('write');
      if (isRefusedAs(error, 'draft_changed')) saver.overtake(await fetchDraft(project.slug), values);
      else if (!isRefusedAs(error, 'guidelines_changed')) {
        setProblem(showErrors(form, error) || t('Some fields need another look; they say why.'));
      }
    },
  });
  const discard = useMutation({
    mutationFn: () => {
      saver.close();
      return api.delete(`${address}/draft`);
    },
    onSuccess: async () => {
      tell(t('The draft is discarded.'));
      void navigate(`/${address}`);
      await queries.invalidateQueries({ queryKey: ['projects', project.slug, 'guidelines'] });
    },
    onError: complain,
  });
  const isOvertaken = isRefusedAs(publish.error, 'guidelines_changed') || (current !== null && base < current.number);
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

  const { notes } = form.values;
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
      <div className={classes.state}>
        <SaveState saved={saved} onRetry={() => void saver.flush()} />
        {saved.revision > 0 && (
          <Button
            variant="subtle"
            color="red"
            size="compact-sm"
            loading={discard.isPending}
            onClick={() =>
              askFirst({
                title: t('Discard the draft?'),
                text: t('What everybody has written for the next version is lost, its new examples and its notes too. The version in force stays.'),
                confirm: t('Discard'),
                onConfirm: () => discard.mutate(),
              })
            }
          >
            {t('Discard the draft')}
          </Button>
        )}
      </div>
      {saved.state === 'conflict' && (
        <Conflict
          theirs={saved.theirs}
          mine={preview}
          onTheirs={() => {
            saver.close();
            onReload();
          }}
          onMine={() => void saver.keepMine(form.getValues())}
        />
      )}
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
            {(hasNotes || notes.length > 0) && <Tabs.Tab value="notes">{t('Notes ({{n}})', { n: notes.length })}</Tabs.Tab>}
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
          <Tabs.Panel value="notes">
            <Notes notes={notes} onDone={(position) => form.removeListItem('notes', position)} />
          </Tabs.Panel>
        </Tabs>
      </div>
      <div className={classes.publish}>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        {isOvertaken && <Overtaken base={base} onTaken={setBase} onDone={() => publish.reset()} />}
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
          <Button type="submit" loading={publish.isPending} disabled={saved.state === 'conflict'}>
            {t('Publish version {{number}}', { number: preview.number })}
          </Button>
          <Button component={Link} to={`/projects/${project.slug}/guidelines`} variant="default">
            {t('Close')}
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
