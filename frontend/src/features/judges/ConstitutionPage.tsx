import { ActionIcon, Alert, Button, Card, Group, NumberInput, Select, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import { askFirst } from '@/components/confirm';
import { Markdown } from '@/components/Markdown';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Constitution, ConstitutionVersion } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { draftOf, standing, type WrittenPrinciple } from './words';

/** A constitution: its versions to read, and the draft of the next one to write. */
export function ConstitutionPage() {
  const { slug } = useProject();
  const { id = '' } = useParams();
  const mayTrain = useMay('train');
  const isNew = id === 'new';
  const constitution = useQuery({
    queryKey: ['projects', slug, 'constitutions', id],
    queryFn: () => api.get<Constitution>(`projects/${slug}/constitutions/${id}`),
    enabled: !isNew,
  });
  if (isNew) {
    return (
      <>
        <PageHeader title={t('New constitution')} description={t('Principles that a judge chooses between two completions by. One is drawn for each judgement.')} />
        {mayTrain ? <Editor /> : <EmptyState title={t('Researchers write constitutions')}>{t('Ask the owner of the project for that role.')}</EmptyState>}
      </>
    );
  }
  return (
    <Loaded query={constitution}>
      {(found) => (
        <>
          <PageHeader title={found.name} description={t('A published version stays as it is: AI ratings say which one they were made by.')} />
          <Stack gap="xl">
            {/* Anew for each version, so that what was typed never goes into another one. */}
            {mayTrain && <Editor key={`${standing(found.versions).draft?.id} ${standing(found.versions).published?.id}`} constitution={found} />}
            <Versions versions={found.versions.filter(({ published_at }) => published_at !== null)} />
          </Stack>
        </>
      )}
    </Loaded>
  );
}

let lastKey = 0;
const written = (text = '', axis = '', weight: number | '' = 1): WrittenPrinciple => ({ key: (lastKey += 1), text, axis, weight });

function Editor({ constitution }: { constitution?: Constitution }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { draft, published } = standing(constitution?.versions ?? []);
  const from = draft ?? published;
  const [name, setName] = useState('');
  const [note, setNote] = useState(draft?.note ?? '');
  const [principles, setPrinciples] = useState(() => {
    const rows = (from?.principles ?? []).map((one) => written(one.text, one.axis, one.weight));
    return rows.length > 0 ? rows : [written()];
  });
  const body = draftOf(note, principles);
  // Of a published version the principles go on, the note does not: it is about that version.
  const saved = from && draftOf(draft?.note ?? '', from.principles.map((one) => ({ ...one, key: 0 })));
  const isSaved = JSON.stringify(saved) === JSON.stringify(body);
  const shown = async (text: string) => {
    tell(text);
    await queries.invalidateQueries({ queryKey: ['projects', slug, 'constitutions'] });
  };
  const save = useMutation({
    mutationFn: () =>
      constitution
        ? api.put<Constitution>(`projects/${slug}/constitutions/${constitution.id}`, body)
        : api.post<Constitution>(`projects/${slug}/constitutions`, { name: name.trim(), ...body }),
    onSuccess: async (made) => {
      await shown(t('The draft is saved.'));
      if (!constitution) void navigate(`/projects/${slug}/constitutions/${made.id}`, { replace: true });
    },
  });
  const publish = useMutation({
    mutationFn: () => api.post<Constitution>(`projects/${slug}/constitutions/${constitution?.id}/publish`),
    onSuccess: () => shown(t('It is published. Judges can be asked by it.')),
    onError: complain,
  });
  const change = (key: number, changed: Partial<WrittenPrinciple>) =>
    setPrinciples((rows) => rows.map((row) => (row.key === key ? { ...row, ...changed } : row)));
  return (
    <Card withBorder radius="lg" padding="lg" component="section" aria-label={t('Draft')}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          {constitution && (
            <Title order={2} size="h4">
              {draft ? t('Draft of version {{number}}', { number: draft.number }) : t('The next version')}
            </Title>
          )}
          {!constitution && <TextInput label={t('Name')} maxLength={120} required value={name} onChange={(event) => setName(event.currentTarget.value)} />}
          {principles.map((row, position) => (
            <Card key={row.key} withBorder radius="md" padding="sm" component="fieldset" m={0}>
              <Stack gap="xs">
                <Textarea
                  label={t('Principle {{number}}', { number: position + 1 })}
                  placeholder={t('Prefer the completion that …')}
                  autosize
                  minRows={2}
                  maxLength={4000}
                  value={row.text}
                  onChange={(event) => change(row.key, { text: event.currentTarget.value })}
                />
                <Group align="flex-end" gap="xs">
                  <TextInput label={t('Axis')} placeholder={t('safety')} maxLength={40} w={160} value={row.axis} onChange={(event) => change(row.key, { axis: event.currentTarget.value })} />
                  <NumberInput
                    label={t('Weight')}
                    min={0.001}
                    max={1000}
                    w={110}
                    value={row.weight}
                    onChange={(value) => change(row.key, { weight: typeof value === 'number' ? value : '' })}
                  />
                  <ActionIcon
                    variant="subtle"
                    color="red"
                    size="lg"
                    ml="auto"
                    disabled={principles.length === 1}
                    aria-label={t('Remove principle {{number}}', { number: position + 1 })}
                    onClick={() => setPrinciples((rows) => rows.filter(({ key }) => key !== row.key))}
                  >
                    <IconTrash size={18} />
                  </ActionIcon>
                </Group>
              </Stack>
            </Card>
          ))}
          <Button variant="default" leftSection={<IconPlus size={16} />} w="fit-content" disabled={principles.length >= 50} onClick={() => setPrinciples((rows) => [...rows, written()])}>
            {t('Another principle')}
          </Button>
          <Textarea
            label={t('Note')}
            description={t('Why it is as it is, in Markdown. Judges do not read it.')}
            autosize
            minRows={2}
            maxLength={20_000}
            value={note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {save.error && (
            <Alert color="red" role="alert">
              {save.error.message}
            </Alert>
          )}
          <Group>
            <Button type="submit" variant={isSaved ? 'default' : 'filled'} loading={save.isPending} disabled={isSaved || (!constitution && name.trim() === '')}>
              {t('Save the draft')}
            </Button>
            {draft && (
              <Button
                loading={publish.isPending}
                disabled={!isSaved || draft.principles.length === 0}
                onClick={() =>
                  askFirst({
                    title: t('Publish version {{number}}?', { number: draft.number }),
                    text: t('It can no longer be changed. What is to be different goes into the next version.'),
                    confirm: t('Publish'),
                    onConfirm: () => publish.mutate(),
                  })
                }
              >
                {t('Publish')}
              </Button>
            )}
            {draft && !isSaved && (
              <Text size="sm" c="dimmed">
                {t('Save it, then publish.')}
              </Text>
            )}
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function Versions({ versions }: { versions: ConstitutionVersion[] }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const version = versions.find(({ id }) => String(id) === chosen) ?? versions[0];
  if (!version) return <Text c="dimmed">{t('No version is published yet.')}</Text>;
  return (
    <section aria-labelledby="published">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id="published">
          {t('Version {{number}}', { number: version.number })}{' '}
          <Text span size="sm" c="dimmed" fw={400}>
            {version.published_at && <TimeAgo at={version.published_at} />}
          </Text>
        </Title>
        {versions.length > 1 && (
          <Select
            aria-label={t('Version')}
            allowDeselect={false}
            data={versions.map(({ id, number: n }) => ({ value: String(id), label: t('Version {{number}}', { number: n }) }))}
            value={String(version.id)}
            onChange={setChosen}
          />
        )}
      </Group>
      {version.note && <Markdown text={version.note} />}
      <Stack component="ol" gap="sm" m={0} pl="lg">
        {version.principles.map((one) => (
          <li key={one.id}>
            <Text style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>{one.text}</Text>
            <Text size="sm" c="dimmed">
              {[one.axis, t('weight {{weight}}', { weight: number(one.weight, 2) })].filter(Boolean).join(' · ')}
            </Text>
          </li>
        ))}
      </Stack>
    </section>
  );
}
