import { Anchor, Button, Center, Container, Stack, Text, Title } from '@mantine/core';
import { isRouteErrorResponse, Link, useRouteError } from 'react-router';
import { t } from '@/lib/i18n';

export function NotFound() {
  return (
    <Center py={80}>
      <Stack align="center" gap="xs">
        <Title order={1}>{t('There is nothing here')}</Title>
        <Text c="dimmed">{t('The address may be mistyped, or the project is not yours to see.')}</Text>
        <Anchor component={Link} to="/">
          {t('To your projects')}
        </Anchor>
      </Stack>
    </Center>
  );
}

/** A page that broke: the rest of the app lives on. */
export function PageError() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />;
  return (
    <Container size="xs" py={80}>
      <Stack align="flex-start">
        <Title order={1}>{t('This page broke')}</Title>
        <Text c="dimmed">{t('Ratings that were not sent yet are kept in this browser. Reload to go on.')}</Text>
        <Button onClick={() => window.location.reload()}>{t('Reload')}</Button>
        <Text size="xs" c="dimmed" ff="monospace">
          {error instanceof Error ? error.message : String(error)}
        </Text>
      </Stack>
    </Container>
  );
}
