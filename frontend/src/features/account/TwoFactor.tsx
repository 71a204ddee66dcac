import { Alert, Button, Card, Code, Group, Image, PasswordInput, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import QRCode from 'qrcode';
import { useState } from 'react';
import { askFirst } from '@/components/confirm';
import { Copy } from '@/components/Copy';
import { complain, tell } from '@/components/notify';
import { auth } from '@/lib/api/allauth';
import { ApiError } from '@/lib/api/client';
import { t } from '@/lib/i18n';
import { meKey } from '@/lib/session';

interface Secret {
  secret: string;
  picture: string;
}

/** allauth wants a fresh sign-in before it changes this; true when it said so. */
const wantsPassword = (error: unknown) => error instanceof ApiError && error.code === 'reauthenticate';

async function careful(method: string, path: string, body?: unknown) {
  const answer = await auth(method, path, body);
  if (answer.status === 401) throw new ApiError(401, 'reauthenticate', t('Enter your password to go on.'));
  return answer;
}

async function newSecret(): Promise<Secret> {
  const answer = await careful('GET', '/account/authenticators/totp');
  const { secret, totp_url } = answer.meta as { secret: string; totp_url: string };
  return { secret, picture: await QRCode.toDataURL(totp_url, { margin: 1, width: 200 }) };
}

/** Two-factor sign-in with an authenticator app. */
export function TwoFactor({ isOn }: { isOn: boolean }) {
  const queries = useQueryClient();
  const [code, setCode] = useState('');
  const [password, setPassword] = useState('');
  const [recovery, setRecovery] = useState<string[] | null>(null);
  const start = useMutation({ mutationFn: newSecret });
  const refreshMe = () => queries.invalidateQueries({ queryKey: meKey });
  const activate = useMutation({
    mutationFn: async () => {
      await careful('POST', '/account/authenticators/totp', { code });
      const answer = await careful('GET', '/account/authenticators/recovery-codes');
      return (answer.data as { unused_codes?: string[] } | undefined)?.unused_codes ?? [];
    },
    onSuccess: async (codes) => {
      setRecovery(codes);
      start.reset();
      setCode('');
      await refreshMe();
    },
  });
  const turnOff = useMutation({
    mutationFn: () => careful('DELETE', '/account/authenticators/totp'),
    onSuccess: async () => {
      setRecovery(null);
      await refreshMe();
      tell(t('Two-factor sign-in is off.'));
    },
    onError: (error) => !wantsPassword(error) && complain(error),
  });
  const confirm = useMutation({
    mutationFn: () => auth('POST', '/auth/reauthenticate', { password }),
    onSuccess: () => {
      setPassword('');
      start.reset();
      activate.reset();
      turnOff.reset();
      if (!isOn) start.mutate();
    },
  });
  const asksPassword = [start.error, activate.error, turnOff.error].some(wantsPassword);
  const failure = [start.error, activate.error, confirm.error].find((error) => error && !wantsPassword(error));

  return (
    <Card withBorder radius="lg" padding="lg">
      <Stack>
        <Title order={2}>{t('Two-factor sign-in')}</Title>
        <Text c="dimmed" size="sm">
          {isOn ? t('On: signing in asks for a code of your authenticator app.') : t('Off. With it, a stolen password alone opens nothing.')}
        </Text>
        {failure && <Alert color="red">{failure.message}</Alert>}
        {asksPassword && (
          <Group align="flex-end">
            <PasswordInput label={t('Your password, once more')} autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} w={280} />
            <Button onClick={() => confirm.mutate()} loading={confirm.isPending}>
              {t('Go on')}
            </Button>
          </Group>
        )}
        {recovery && (
          <Alert color="yellow" title={t('Keep these recovery codes')}>
            <Text size="sm" mb="xs">
              {t('Each opens the account once when the app is lost. They are not shown again.')}
            </Text>
            <SimpleGrid cols={2} maw={320}>
              {recovery.map((each) => (
                <Code key={each}>{each}</Code>
              ))}
            </SimpleGrid>
            <Copy value={recovery.join('\n')} label={t('Copy all codes')} />
          </Alert>
        )}
        {start.data && !isOn && (
          <Stack gap="sm">
            <Text size="sm">{t('Scan this with your authenticator app, then enter the code it shows.')}</Text>
            <Image src={start.data.picture} w={200} h={200} alt={t('QR code for the authenticator app')} />
            <Group gap="xs">
              <Code>{start.data.secret}</Code>
              <Copy value={start.data.secret} label={t('Copy the secret')} />
            </Group>
            <Group align="flex-end">
              <TextInput label={t('Code')} inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.currentTarget.value)} w={160} />
              <Button disabled={!code} loading={activate.isPending} onClick={() => activate.mutate()}>
                {t('Switch it on')}
              </Button>
            </Group>
          </Stack>
        )}
        {!isOn && !start.data && !asksPassword && (
          <Button w="fit-content" loading={start.isPending} onClick={() => start.mutate()}>
            {t('Set it up')}
          </Button>
        )}
        {isOn && !asksPassword && (
          <Button
            w="fit-content"
            variant="default"
            onClick={() =>
              askFirst({
                title: t('Switch two-factor sign-in off?'),
                text: t('Your password alone will open your account again.'),
                confirm: t('Switch it off'),
                onConfirm: () => turnOff.mutate(),
              })
            }
          >
            {t('Switch it off')}
          </Button>
        )}
      </Stack>
    </Card>
  );
}
