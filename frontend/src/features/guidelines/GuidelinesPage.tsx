import { Anchor, Button, Group, Select, Tabs, Text } from '@mantine/core';
import { IconPencil } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link, useSearchParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { GuidelinesText } from '@/components/GuidelinesText';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { GuidelineVersion } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { CompareVersions } from './CompareVersions';
import { Disagreement } from './Disagreement';
import { fetchDraft } from './fetch';
import { Qualifications } from './Qualifications';

/** A version of the guidelines, or what differs between two. Which ones stands in the address: `?version=3&compare=1`. */
export function GuidelinesPage() {
  const project = useProject();
  const mayWrite = useMay('guidelines');
  const maySettle = useMay('adjudicate');
  const mayReview = useMay('review');
  const draft = useQuery({
    queryKey: ['projects', project.slug, 'guidelines', 'draft'],
    queryFn: () => fetchDraft(project.slug),
    enabled: mayWrite,
  });
  const versions = usePages<GuidelineVersion>(['projects', project.slug, 'guidelines'], `projects/${project.slug}/guidelines`);
  const { hasNextPage, isFetchingNextPage, fetchNextPage, rows } = versions;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const [params, setParams] = useSearchParams();
  const find = (name: string) => rows?.find((version) => String(version.number) === params.get(name));
  const shown = find('version') ?? rows?.[0];
  const other = find('compare');
  const compared = other && shown && other.number !== shown.number ? other : undefined;
  const tab = mayReview && params.get('tab') === 'disagreement' ? 'disagreement' : 'text';
  const choose = (version: string | null, compare: string | null) =>
    setParams({ ...(version && { version }), ...(compare && { compare }) }, { replace: true });
  const edit = mayWrite && (
    <Button component={Link} to={`/projects/${project.slug}/guidelines/edit`} leftSection={<IconPencil size={16} aria-hidden />}>
      {draft.data ? t('Go on with the draft') : rows?.length ? t('Write a new version') : t('Write the guidelines')}
    </Button>
  );
  const text = shown && rows && (
    <>
      <Group mb="xs" align="flex-end">
        {rows.length > 1 && (
          <>
            <Select
              label={t('Version')}
              data={rows.map(({ number }) => ({ value: String(number), label: t('Version {{number}}', { number }) }))}
              value={String(shown.number)}
              onChange={(version) => choose(version, compared ? String(compared.number) : null)}
              allowDeselect={false}
              w={150}
            />
            <Select
              label={t('Compare with')}
              data={rows
                .filter((version) => version !== shown)
                .map(({ number }) => ({ value: String(number), label: t('Version {{number}}', { number }) }))}
              value={compared ? String(compared.number) : null}
              onChange={(compare) => choose(String(shown.number), compare)}
              placeholder={t('Nothing')}
              clearable
              clearButtonProps={{ 'aria-label': t('Stop comparing') }}
              w={170}
            />
          </>
        )}
      </Group>
      <Text c="dimmed" size="sm" mb="lg" role="status">
        {t('Version {{number}}', { number: shown.number })}
        {shown.author && ` · ${shown.author}`} · <TimeAgo at={shown.published_at} />
        {shown.changes_meaning && ` · ${t('changes what ratings mean')}`}
        {shown.change_note && ` · ${shown.change_note}`}
        {mayReview && (
          <>
            {' · '}
            <Anchor component={Link} to={`/projects/${project.slug}/agreement#versions`} inherit underline="always">
              {t('Watch the effect')}
            </Anchor>
          </>
        )}
      </Text>
      {compared ? (
        <CompareVersions
          before={compared.number < shown.number ? compared : shown}
          after={compared.number < shown.number ? shown : compared}
          labels={project.intensity_labels}
        />
      ) : (
        <GuidelinesText version={shown} labels={project.intensity_labels} />
      )}
      {maySettle && <Qualifications />}
    </>
  );
  return (
    <>
      <PageHeader
        title={t('Guidelines')}
        description={t('What labellers go by. Every rating remembers the version it was made under.')}
        actions={edit}
      />
      {versions.error && <ErrorState error={versions.error} retry={() => void versions.refetch()} />}
      {versions.isPending && <Loading />}
      {rows?.length === 0 && (
        <EmptyState title={t('No guidelines yet')}>
          {t('Labellers agree better when they know what “better” means here.')}
        </EmptyState>
      )}
      {draft.data && (
        <Text size="sm" c="dimmed" mb="md">
          <Filled
            text={t('The next version is being written: saved {{when}} by {{name}}, with {{notes}} and {{examples}}.')}
            when={<TimeAgo at={draft.data.updated_at} />}
            name={draft.data.updated_by || t('somebody')}
            notes={t('{{count}} notes', { count: draft.data.notes.length })}
            examples={t('{{count}} examples', { count: draft.data.examples.length })}
          />
        </Text>
      )}
      {shown && mayReview && (
        <Tabs
          value={tab}
          onChange={(to) => setParams(to === 'disagreement' ? { tab: to } : {}, { replace: true })}
          keepMounted={false}
        >
          <Tabs.List mb="md">
            <Tabs.Tab value="text">{t('Text')}</Tabs.Tab>
            <Tabs.Tab value="disagreement">{t('Where labellers disagree')}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="text">{text}</Tabs.Panel>
          <Tabs.Panel value="disagreement">
            <Disagreement />
          </Tabs.Panel>
        </Tabs>
      )}
      {shown && !mayReview && text}
    </>
  );
}
