import { Alert, Anchor, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { auth, needsCode } from '@/lib/api/allauth';
import { ApiError } from '@/lib/api/client';
import { t } from '@/lib/i18n';
import { meKey } from '@/lib/session';
import { DoorCard } from './DoorCard';

/** Where to go after signing in: only ever a path of this app. */
function safeNext(next: string | null): string {
  return next?.startsWith('/') && !next.startsWith('//') ? next : '/';
}

export function SignInPage() {
  const [query] = useSearchParams();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [isCodeAsked, setCodeAsked] = useState(false);
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const form = useForm({ initialValues: { email: '', password: '', code: '' } });

  const submit = async (values: typeof form.values) => {
    setBusy(true);
    setProblem('');
    try {
      const answer = isCodeAsked
        ? await auth('POST', '/auth/2fa/authenticate', { code: values.code })
        : await auth('POST', '/auth/login', { email: values.email, password: values.password });
      if (needsCode(answer)) {
        setCodeAsked(true);
      } else {
        await queries.resetQueries({ queryKey: meKey });
        void navigate(safeNext(query.get('next')), { replace: true });
      }
    } catch (error) {
      setProblem(error instanceof ApiError ? error.detail : String(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <DoorCard title={t('Sign in')} text={isCodeAsked ? t('Enter the code of your authenticator app, or a recovery code.') : undefined}>
      <form onSubmit={form.onSubmit((values) => void submit(values))}>
        <Stack>
          {problem && (
            <Alert color="red" role="alert">
              {problem}
            </Alert>
          )}
          {isCodeAsked ? (
            <TextInput label={t('Code')} autoComplete="one-time-code" inputMode="numeric" required {...form.getInputProps('code')} />
          ) : (
            <>
              <TextInput label={t('E-mail')} type="email" autoComplete="username" required {...form.getInputProps('email')} />
              <PasswordInput label={t('Password')} autoComplete="current-password" required {...form.getInputProps('password')} />
            </>
          )}
          <Button type="submit" loading={isBusy} fullWidth>
            {t('Sign in')}
          </Button>
          {!isCodeAsked && (
            <Anchor component={Link} to="/forgot-password" size="sm">
              {t('Forgot your password?')}
            </Anchor>
          )}
        </Stack>
      </form>
    </DoorCard>
  );
}
