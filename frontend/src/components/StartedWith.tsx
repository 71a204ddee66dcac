import { Accordion, Table } from '@mantine/core';
import { t } from '@/lib/i18n';

/** What something long was started with, folded away: rows of name and value. */
export function StartedWith({ rows }: { rows: [string, string][] }) {
  return (
    <Accordion variant="contained">
      <Accordion.Item value="options">
        <Accordion.Control>{t('What it was started with')}</Accordion.Control>
        <Accordion.Panel>
          <Table aria-label={t('What it was started with')} w="fit-content">
            <Table.Tbody>
              {rows.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th fw={400} c="dimmed" scope="row">
                    {name}
                  </Table.Th>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}
