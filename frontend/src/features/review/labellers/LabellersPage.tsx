import { Anchor, Button, Group, Pagination, Stack, Table, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { PageHeader } from '@/components/PageHeader';
import { SortableTh } from '@/components/SortableTh';
import { EmptyState, Loaded } from '@/components/States';
import { StatText } from '@/components/StatValue';
import type { LabellerRow } from '@/lib/api/types';
import { number, seconds } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useNumberedPage } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { inWords } from '@/lib/words';
import { Models } from './Models';
import { PairsOfLabellers } from './PairsOfLabellers';
import { Findings, Standing } from './Standing';
import { Timesheet } from './Timesheet';

const PAGE_SIZE = 50;

/** Who a row is about stays beside figures that are scrolled to. */
const STICKY = { position: 'sticky', insetInlineStart: 0, zIndex: 1, background: 'var(--mantine-color-body)' } as const;

interface Figure {
  field: string;
  title: string;
  /** Which end is looked at first. */
  first: 'ascending' | 'descending';
  cell: (row: LabellerRow) => ReactNode;
}

const FIGURES: Figure[] = [
  { field: 'reliability', title: t('Reliability'), first: 'ascending', cell: (row) => <StatText stat={row.reliability} unit="rating" isStacked /> },
  { field: 'with_others', title: t('Agreement with the others'), first: 'ascending', cell: (row) => <StatText stat={row.with_others} isStacked /> },
  { field: 'gold', title: t('Gold'), first: 'ascending', cell: (row) => <StatText stat={row.gold} unit="rating" isStacked /> },
  { field: 'self_agreement', title: t('With themselves'), first: 'ascending', cell: (row) => <StatText stat={row.self_agreement} unit="rating" isStacked /> },
  { field: 'first_side', title: t('First side preferred'), first: 'descending', cell: (row) => <StatText stat={row.first_side} unit="rating" isStacked /> },
  { field: 'longer', title: t('Longer one preferred'), first: 'descending', cell: (row) => <StatText stat={row.longer} unit="rating" isStacked /> },
  { field: 'too_fast', title: t('Too fast to have read'), first: 'descending', cell: (row) => <StatText stat={row.too_fast} unit="rating" isStacked /> },
  { field: 'median_active_ms', title: t('Median time'), first: 'ascending', cell: (row) => (row.median_active_ms === null ? '–' : seconds(row.median_active_ms)) },
  { field: 'drift', title: t('Drift'), first: 'ascending', cell: (row) => <StatText stat={row.drift} unit="rating" isStacked /> },
];

const FIELDS = ['n_ratings', 'n_findings', ...FIGURES.map(({ field }) => field)];

/** The ordering that an address asks for; the labellers that stand out come first where it asks for none that is known. */
export function orderingOf(asked: string | null): string {
  return asked !== null && FIELDS.includes(asked.replace(/^-/, '')) ? asked : '-n_findings';
}

export function LabellersPage() {
  const { slug } = useProject();
  const [query, setQuery] = useSearchParams();
  const ordering = orderingOf(query.get('ordering'));
  const search = query.get('search') ?? '';
  const page = Math.max(1, Number(query.get('page')) || 1);
  const change = (changes: Record<string, string>) =>
    setQuery(
      (before) => {
        for (const [name, value] of Object.entries(changes)) {
          if (value) before.set(name, value);
          else before.delete(name);
        }
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  const found = useNumberedPage<LabellerRow>(['projects', slug, 'labellers'], `projects/${slug}/labellers`, {
    ordering,
    search,
    page: String(page),
    page_size: String(PAGE_SIZE),
  });
  return (
    <>
      <PageHeader
        title={t('Labellers')}
        description={t('How each rates, beside the others, gold and themselves. Ranges are 95 % intervals; what stands out does so by more than chance, with all labellers and all checks counted.')}
        actions={<CsvButton slug={slug} name="labellers" title={t('Labellers')} />}
      />
      <Stack gap="xl">
        <div>
          <Search key={search === '' ? 'empty' : 'given'} initial={search} onSearch={(value) => change({ search: value, page: '' })} />
          <Loaded query={found}>
            {({ results, count }) =>
              results.length === 0 ? (
                <EmptyState
                  title={search ? t('Nobody is called that') : t('Nobody has rated yet')}
                  action={
                    search ? (
                      <Button variant="default" onClick={() => change({ search: '', page: '' })}>
                        {t('Show all')}
                      </Button>
                    ) : undefined
                  }
                >
                  {search ? t('Labellers are found by their pseudonym.') : t('Figures appear with the first ratings.')}
                </EmptyState>
              ) : (
                <>
                  <Figures rows={results} ordering={ordering} onSort={(value) => change({ ordering: value, page: '' })} />
                  <Group justify="space-between" mt="sm">
                    <Text size="sm" c="dimmed" role="status">
                      {t('{{count}} labellers', { count })}
                    </Text>
                    {count > PAGE_SIZE && (
                      <Pagination
                        total={Math.ceil(count / PAGE_SIZE)}
                        value={page}
                        onChange={(value) => change({ page: value === 1 ? '' : String(value) })}
                        getControlProps={(control) => ({ 'aria-label': control === 'next' ? t('Next page') : t('Previous page') })}
                      />
                    )}
                  </Group>
                </>
              )
            }
          </Loaded>
        </div>
        <PairsOfLabellers />
        <Models />
        <Timesheet />
      </Stack>
    </>
  );
}

function Search({ initial, onSearch }: { initial: string; onSearch: (value: string) => void }) {
  const [typed, setTyped] = useState(initial);
  const later = useDebouncedCallback(onSearch, 300);
  return (
    <TextInput
      aria-label={t('Find a labeller')}
      placeholder={t('Find a labeller')}
      leftSection={<IconSearch size={16} aria-hidden />}
      type="search"
      mb="sm"
      maw={320}
      value={typed}
      onChange={({ currentTarget: { value } }) => {
        setTyped(value);
        later(value.trim());
      }}
    />
  );
}

function Figures({ rows, ordering, onSort }: { rows: LabellerRow[]; ordering: string; onSort: (ordering: string) => void }) {
  const { slug } = useProject();
  return (
    <Table.ScrollContainer minWidth={1380}>
      <Table aria-label={t('Labellers')} verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" style={STICKY}>
              {t('Labeller')}
            </Table.Th>
            <SortableTh field="n_ratings" current={ordering} onSort={onSort} align="right">
              {t('Ratings')}
            </SortableTh>
            <SortableTh field="n_findings" current={ordering} onSort={onSort}>
              {t('What stands out')}
            </SortableTh>
            {FIGURES.map(({ field, title, first }) => (
              <SortableTh key={field} field={field} first={first} current={ordering} onSort={onSort}>
                {title}
              </SortableTh>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.id}>
              <Table.Td miw={160} style={STICKY}>
                <Anchor component={Link} to={`/projects/${slug}/labellers/${row.id}`} ff="monospace" style={{ whiteSpace: 'nowrap' }}>
                  {row.pseudonym}
                </Anchor>
                <Text size="sm" c="dimmed">
                  {row.name || (row.kind === 'person' ? '' : inWords(row.kind))}
                </Text>
                <Standing labeller={row} isActiveShown={false} />
              </Table.Td>
              <Table.Td ta="right">
                <Anchor component={Link} to={ratingsOf(slug, { labeller: row.id })}>
                  {number(row.n_ratings)}
                </Anchor>
              </Table.Td>
              <Table.Td miw={230} maw={320}>
                <Findings findings={row.findings} />
              </Table.Td>
              {FIGURES.map(({ field, cell }) => (
                <Table.Td key={field}>{cell(row)}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
