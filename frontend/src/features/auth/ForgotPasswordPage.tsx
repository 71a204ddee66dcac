import { Alert, Anchor, Button, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { Link } from 'react-router';
import { auth } from '@/lib/api/allauth';
import { t } from '@/lib/i18n';
import { DoorCard } from './DoorCard';

export function ForgotPasswordPage() {
  const form = useForm({ initialValues: { email: '' } });
  const send = useMutation({ mutationFn: (email: string) => auth('POST', '/auth/password/request', { email }) });
  return (
    <DoorCard title={t('Forgot your password?')} text={t('We send you a link to set a new one.')}>
      {send.isSuccess ? (
        <Text>
          {t('If {{email}} has an account, a link is on its way. Look into your spam folder, too.', { email: form.values.email })}
        </Text>
      ) : (
        <form onSubmit={form.onSubmit(({ email }) => send.mutate(email))}>
          <Stack>
            {send.error && <Alert color="red">{send.error.message}</Alert>}
            <TextInput label={t('E-mail')} type="email" autoComplete="username" required {...form.getInputProps('email')} />
            <Button type="submit" loading={send.isPending}>
              {t('Send the link')}
            </Button>
          </Stack>
        </form>
      )}
      <Anchor component={Link} to="/sign-in" size="sm">
        {t('Back to sign-in')}
      </Anchor>
    </DoorCard>
  );
}
