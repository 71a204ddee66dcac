import { Alert, Button, PasswordInput, Stack } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';
import { useNavigate, useParams } from 'react-router';
import { tell } from '@/components/notify';
import { auth } from '@/lib/api/allauth';
import { t } from '@/lib/i18n';
import { DoorCard } from './DoorCard';

export function ResetPasswordPage() {
  const { key = '' } = useParams();
  const navigate = useNavigate();
  const form = useForm({ initialValues: { password: '' } });
  const reset = useMutation({
    mutationFn: (password: string) => auth('POST', '/auth/password/reset', { key, password }),
    onSuccess: () => {
      tell(t('Your password is changed. Sign in with it.'));
      void navigate('/sign-in');
    },
  });
  return (
    <DoorCard title={t('New password')} text={t('At least ten characters; a few unrelated words are easiest to keep.')}>
      <form onSubmit={form.onSubmit(({ password }) => reset.mutate(password))}>
        <Stack>
          {reset.error && <Alert color="red">{reset.error.message}</Alert>}
          <PasswordInput label={t('New password')} autoComplete="new-password" required {...form.getInputProps('password')} />
          <Button type="submit" loading={reset.isPending}>
            {t('Set password')}
          </Button>
        </Stack>
      </form>
    </DoorCard>
  );
}
