import { Anchor, Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconChevronRight, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { AuditEvent } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { actionWords, detailsOf, pageOf } from './words';

const FILTERS = ['q', 'action', 'from', 'to'] as const;

/** Who changed what and when, newest first. What is asked for stands in the address. */
export function AuditPage() {
  const { slug } = useProject();
  const [params, setParams] = useSearchParams();
  const filters = Object.fromEntries(FILTERS.map((name) => [name, params.get(name) ?? ''])) as Record<(typeof FILTERS)[number], string>;
  const change = (name: string, value: string) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  const [words, setWords] = useState(filters.q);
  const search = useDebouncedCallback((text: string) => change('q', text.trim()), 300);
  const events = usePages<AuditEvent>(['projects', slug, 'audit'], `projects/${slug}/audit`, filters);
  const actions = useQuery({
    queryKey: ['projects', slug, 'audit-actions'],
    queryFn: () => api.get<{ code: string; label: string }[]>(`projects/${slug}/audit/actions`),
    staleTime: Infinity,
  });
  const isFiltered = FILTERS.some((name) => filters[name]);
  return (
    <>
      <PageHeader
        title={t('Audit')}
        description={t('Who changed what and when. What is written here stays.')}
        actions={<CsvButton slug={slug} name="audit" title={t('Audit')} query={filters} />}
      />
      <Group mb="md" align="flex-end" gap="sm">
        <TextInput
          label={t('Words')}
          type="search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={words}
          onChange={(event) => {
            setWords(event.currentTarget.value);
            search(event.currentTarget.value);
          }}
          w={240}
        />
        <Select
          label={t('Action')}
          placeholder={t('All actions')}
          data={(actions.data ?? []).map(({ code, label }) => ({ value: code, label: actionWords(code, label) }))}
          value={filters.action || null}
          searchable
          clearable
          clearButtonProps={{ 'aria-label': t('All actions') }}
          onChange={(action) => change('action', action ?? '')}
          w={260}
        />
        <TextInput label={t('First day')} type="date" value={filters.from} max={filters.to || undefined} onChange={(event) => change('from', event.currentTarget.value)} />
        <TextInput label={t('Last day')} type="date" value={filters.to} min={filters.from || undefined} onChange={(event) => change('to', event.currentTarget.value)} />
      </Group>
      <PagedTable
        label={t('Audit')}
        query={events}
        rowKey={(event) => event.id}
        empty={
          <EmptyState
            title={isFiltered ? t('Nothing of this kind') : t('Nothing has been changed yet')}
            action={
              isFiltered && (
                <Button
                  variant="default"
                  onClick={() => {
                    setWords('');
                    setParams({}, { replace: true });
                  }}
                >
                  {t('Show all')}
                </Button>
              )
            }
          >
            {t('Roles, exclusions, verdicts, guidelines and exports are written down here as they are changed.')}
          </EmptyState>
        }
        columns={[
          { title: t('When'), cell: (event) => <TimeAgo at={event.created_at} /> },
          {
            title: t('Who'),
            cell: ({ actor }) =>
              actor ? (
                <>
                  <Text size="sm">{actor.name || actor.pseudonym}</Text>
                  {actor.name && (
                    <Text size="xs" c="dimmed" ff="monospace">
                      {actor.pseudonym}
                    </Text>
                  )}
                </>
              ) : (
                <Text size="sm" c="dimmed">
                  {t('a rule of the project')}
                </Text>
              ),
          },
          { title: t('Action'), cell: (event) => <Text size="sm">{actionWords(event.action)}</Text> },
          { title: t('What'), cell: (event) => <What event={event} /> },
        ]}
      />
    </>
  );
}

/** The summary, and what changed once it is opened. */
function What({ event }: { event: AuditEvent }) {
  const { slug } = useProject();
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const page = pageOf(event);
  const details = detailsOf(event);
  return (
    <Stack gap={4} align="flex-start" maw={520}>
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {page ? (
          <Anchor component={Link} to={`/projects/${slug}/${page}`} inherit>
            {event.summary}
          </Anchor>
        ) : (
          event.summary
        )}
      </Text>
      {details.length > 0 && (
        <Button
          variant="subtle"
          color="gray"
          size="compact-xs"
          aria-expanded={isOpen}
          aria-controls={isOpen ? id : undefined}
          aria-label={t('Details of: {{summary}}', { summary: event.summary })}
          leftSection={<IconChevronRight size={14} aria-hidden style={{ transform: isOpen ? 'rotate(90deg)' : undefined }} />}
          onClick={() => setOpen(!isOpen)}
        >
          {t('Details')}
        </Button>
      )}
      {isOpen && (
        <Stack id={id} gap={2} ps="sm">
          {details.map(({ name, before, after }) => (
            <Text key={name} size="sm" style={{ overflowWrap: 'anywhere' }}>
              <Text span inherit c="dimmed">
                {name}:{' '}
              </Text>
              {before !== undefined && `${before} → `}
              {after}
            </Text>
          ))}
        </Stack>
      )}
    </Stack>
  );
}
