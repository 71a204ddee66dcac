import { Anchor, Box, Button, Group, Select, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { StatText } from '@/components/StatValue';
import type { Slice } from '@/lib/api/types';
import { number, percent, signedPoints } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';
import { DIMENSIONS, dimensionOf, shown, sliceFilter, sliceLabel } from './slices';

const AT_FIRST = 12;

/** Kinds of comparisons, those first that the disagreement comes from. */
export function Slices({ slices }: { slices: Slice[] }) {
  const project = useProject();
  const { slug } = project;
  const [query, setQuery] = useSearchParams();
  const [areAllShown, setAllShown] = useState(false);
  const dimension = dimensionOf(query.get('dimension'));
  const rows = shown(slices, dimension);
  const visible = areAllShown ? rows : rows.slice(0, AT_FIRST);
  const present = [...new Set(shown(slices, null).map((slice) => slice.dimension))];
  const greatest = Math.max(...rows.map(({ excess }) => excess ?? 0), 0.0001);
  const choose = (value: string | null) =>
    setQuery(
      (before) => {
        if (value) before.set('dimension', value);
        else before.delete('dimension');
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  if (slices.length === 0) return null;
  return (
    <section>
      <Group justify="space-between" mb="xs">
        <Title order={2}>{t('Where the disagreement sits')}</Title>
        <CsvButton slug={slug} name="slices" title={t('Where the disagreement sits')} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Ranked by what would go of the overall disagreement if this kind were like the rest. A comparison may be of several kinds.')}
      </Text>
      <Select
        aria-label={t('Kinds by')}
        mb="sm"
        maw={260}
        value={dimension ?? ''}
        allowDeselect={false}
        data={[{ value: '', label: t('All kinds') }, ...present.map((value) => ({ value, label: DIMENSIONS[value] }))]}
        onChange={choose}
      />
      <Table.ScrollContainer minWidth={820}>
        <Table aria-label={t('Where the disagreement sits')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Kind')}</Table.Th>
              <Table.Th ta="right">{t('Comparisons')}</Table.Th>
              <Table.Th ta="right">{t('Ratings')}</Table.Th>
              <Table.Th>{t('Disagreement')}</Table.Th>
              <Table.Th>{t('α, nominal')}</Table.Th>
              <Table.Th ta="right">{t('Of all that differ')}</Table.Th>
              <Table.Th>{t('Excess')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {visible.map((slice) => (
              <Table.Tr key={`${slice.dimension}:${slice.key}`}>
                <Table.Td>
                  <Anchor component={Link} to={ratingsOf(slug, sliceFilter(slice))}>
                    {sliceLabel(slice, project)}
                  </Anchor>
                  <Text size="xs" c="dimmed">
                    {DIMENSIONS[slice.dimension]}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">{number(slice.n_comparisons)}</Table.Td>
                <Table.Td ta="right">{number(slice.n_ratings)}</Table.Td>
                <Table.Td>
                  <StatText stat={slice.disagreement} />
                </Table.Td>
                <Table.Td>
                  <StatText stat={slice.alpha} style="number" />
                </Table.Td>
                <Table.Td ta="right">{percent(slice.share, 0)}</Table.Td>
                <Table.Td miw={130}>
                  <Excess value={slice.excess} greatest={greatest} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {rows.length > AT_FIRST && (
        <Button mt="sm" variant="default" size="xs" onClick={() => setAllShown(!areAllShown)}>
          {areAllShown ? t('Show fewer') : t('Show all {{number}}', { number: number(rows.length) })}
        </Button>
      )}
    </section>
  );
}

/** In points of the overall disagreement; those below 0 agree better than the rest. */
function Excess({ value, greatest }: { value: number | null; greatest: number }) {
  if (value === null) {
    return (
      <Text span inherit c="dimmed" fs="italic">
        {t('too few')}
      </Text>
    );
  }
  return (
    <Group gap={6} wrap="nowrap">
      <Text span inherit w={44} ta="right" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {signedPoints(value, 1)}
      </Text>
      <Box style={{ flex: 1 }} aria-hidden>
        <Box h={8} w={`${Math.max(0, 100 * (value / greatest))}%`} bg="var(--chart-second)" style={{ borderRadius: 4 }} />
      </Box>
    </Group>
  );
}
