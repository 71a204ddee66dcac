import { Alert, Button, Card, Code, Group, Select, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { Copy } from '@/components/Copy';
import { Filled } from '@/components/Filled';
import { complain } from '@/components/notify';
import { Loaded } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ApiToken } from '@/lib/api/types';
import { date } from '@/lib/format';
import { t } from '@/lib/i18n';

/** Keys for programs; the clear text is seen once. */
export function Tokens() {
  const queries = useQueryClient();
  const key = ['tokens'];
  const tokens = useQuery({ queryKey: key, queryFn: () => api.get<ApiToken[]>('tokens') });
  const form = useForm({ initialValues: { name: '', expires_in_days: '90' } });
  const create = useMutation({
    mutationFn: ({ name, expires_in_days }: typeof form.values) =>
      api.post<ApiToken>('tokens', { name, expires_in_days: Number(expires_in_days) }),
    onSuccess: async () => {
      form.reset();
      await queries.invalidateQueries({ queryKey: key });
    },
    onError: complain,
  });
  const remove = useMutation({
    mutationFn: (id: number) => api.delete(`tokens/${id}`),
    onSuccess: () => queries.invalidateQueries({ queryKey: key }),
    onError: complain,
  });
  return (
    <Card withBorder radius="lg" padding="lg">
      <Stack>
        <Title order={2}>{t('API tokens')}</Title>
        <Text c="dimmed" size="sm">
          <Filled
            text={t('For programs: {{header}}. What you may do, a token may do.')}
            header={<Code>Authorization: Bearer tst_…</Code>}
          />
        </Text>
        {create.data?.token && (
          <Alert color="teal" title={t('Copy it now: it is not shown again')}>
            <Group gap="xs" wrap="nowrap">
              <Code style={{ overflowWrap: 'anywhere' }}>{create.data.token}</Code>
              <Copy value={create.data.token} label={t('Copy the token')} />
            </Group>
          </Alert>
        )}
        <form onSubmit={form.onSubmit((values) => create.mutate(values))}>
          <Group align="flex-end">
            <TextInput label={t('Name')} placeholder={t('notebook')} required maxLength={100} {...form.getInputProps('name')} />
            <Select
              label={t('Works for')}
              allowDeselect={false}
              data={[
                { value: '30', label: t('30 days') },
                { value: '90', label: t('90 days') },
                { value: '365', label: t('a year') },
              ]}
              {...form.getInputProps('expires_in_days')}
            />
            <Button type="submit" loading={create.isPending}>
              {t('Make a token')}
            </Button>
          </Group>
        </form>
        <Loaded query={tokens} rows={2}>
          {(rows) =>
            rows.length > 0 && (
              <Table aria-label={t('API tokens')}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t('Name')}</Table.Th>
                    <Table.Th>{t('Begins with')}</Table.Th>
                    <Table.Th>{t('Last used')}</Table.Th>
                    <Table.Th>{t('Until')}</Table.Th>
                    <Table.Th aria-label={t('Actions')} />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.map((token) => (
                    <Table.Tr key={token.id}>
                      <Table.Td>{token.name}</Table.Td>
                      <Table.Td>
                        <Code>{token.prefix}…</Code>
                      </Table.Td>
                      <Table.Td>{token.last_used_at ? <TimeAgo at={token.last_used_at} /> : t('never')}</Table.Td>
                      <Table.Td>{date(token.expires_at)}</Table.Td>
                      <Table.Td ta="right">
                        <Button
                          size="xs"
                          variant="subtle"
                          color="red"
                          onClick={() =>
                            askFirst({
                              title: t('Delete {{name}}?', { name: token.name }),
                              text: t('Programs that use it stop working at once.'),
                              confirm: t('Delete the token'),
                              onConfirm: () => remove.mutate(token.id),
                            })
                          }
                        >
                          {t('Delete')}
                        </Button>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            )
          }
        </Loaded>
      </Stack>
    </Card>
  );
}
