import { Alert, Button, Card, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { PlainLayout } from '@/components/PlainLayout';
import { Loaded } from '@/components/States';
import { auth } from '@/lib/api/allauth';
import { api } from '@/lib/api/client';
import type { Me } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { meKey, useMe } from '@/lib/session';
import { Tokens } from './Tokens';
import { TwoFactor } from './TwoFactor';

export function AccountPage() {
  const me = useMe();
  return (
    <PlainLayout>
      <PageHeader title={t('Account')} />
      <Loaded query={{ ...me, data: me.data ?? undefined }}>
        {(user) => (
          <Stack maw={720} gap="lg">
            <Profile user={user} />
            <Password />
            <TwoFactor isOn={user.mfa_enabled} />
            <Tokens />
          </Stack>
        )}
      </Loaded>
    </PlainLayout>
  );
}

function Profile({ user }: { user: Me }) {
  const queries = useQueryClient();
  const form = useForm({ initialValues: { name: user.name } });
  const save = useMutation({
    mutationFn: (values: { name: string }) => api.patch<Me>('me', values),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: meKey });
      tell(t('Saved.'));
    },
    onError: complain,
  });
  return (
    <Card withBorder radius="lg" padding="lg" component="form" onSubmit={form.onSubmit((values) => save.mutate(values))}>
      <Stack>
        <Title order={2}>{t('Profile')}</Title>
        <TextInput label={t('Name')} autoComplete="name" {...form.getInputProps('name')} />
        <Text size="sm" c="dimmed">
          {t('{{email}} · in exports you appear only as {{pseudonym}}', { email: user.email, pseudonym: user.pseudonym })}
        </Text>
        <Button type="submit" w="fit-content" loading={save.isPending}>
          {t('Save')}
        </Button>
      </Stack>
    </Card>
  );
}

function Password() {
  const form = useForm({ initialValues: { current_password: '', new_password: '' } });
  const change = useMutation({
    mutationFn: (values: typeof form.values) => auth('POST', '/account/password/change', values),
    onSuccess: () => {
      form.reset();
      tell(t('Your password is changed.'));
    },
  });
  return (
    <Card withBorder radius="lg" padding="lg" component="form" onSubmit={form.onSubmit((values) => change.mutate(values))}>
      <Stack>
        <Title order={2}>{t('Password')}</Title>
        {change.error && <Alert color="red">{change.error.message}</Alert>}
        <PasswordInput label={t('Current password')} autoComplete="current-password" required {...form.getInputProps('current_password')} />
        <PasswordInput label={t('New password')} description={t('At least ten characters')} autoComplete="new-password" required {...form.getInputProps('new_password')} />
        <Button type="submit" w="fit-content" loading={change.isPending}>
          {t('Change password')}
        </Button>
      </Stack>
    </Card>
  );
}
