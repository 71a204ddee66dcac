import { Anchor, Group, Table, Text, Title } from '@mantine/core';
import { Link } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { StatText } from '@/components/StatValue';
import type { AxisAgreement } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

/** Whether labellers agree less about one axis than about another, where the same completions are asked about twice. */
export function Axes({ axes }: { axes: AxisAgreement[] }) {
  const { slug } = useProject();
  if (axes.length < 2) return null;
  return (
    <section>
      <Group justify="space-between" mb="xs">
        <Title order={2}>{t('Axes')}</Title>
        <CsvButton slug={slug} name="axes" title={t('Axes')} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Projects that ask about the same completions.')}
      </Text>
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label={t('Axes')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Axis')}</Table.Th>
              <Table.Th>{t('Project')}</Table.Th>
              <Table.Th ta="right">{t('Ratings')}</Table.Th>
              <Table.Th>{t('α, nominal')}</Table.Th>
              <Table.Th ta="right">{t('Disagreement')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {axes.map((one) => (
              <Table.Tr key={one.slug} fw={one.slug === slug ? 600 : undefined}>
                <Table.Td>{one.axis}</Table.Td>
                <Table.Td>
                  {one.slug === slug ? (
                    one.name
                  ) : (
                    <Anchor component={Link} to={`/projects/${one.slug}/agreement`}>
                      {one.name}
                    </Anchor>
                  )}
                </Table.Td>
                <Table.Td ta="right">{number(one.n_ratings)}</Table.Td>
                <Table.Td>
                  <StatText stat={one.alpha_nominal} style="number" />
                </Table.Td>
                <Table.Td ta="right">{one.disagreement.rate === null ? '–' : percent(one.disagreement.rate)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
