import { Center, Container, Loader } from '@mantine/core';
import { Navigate, Outlet, useLocation } from 'react-router';
import { ErrorState } from '@/components/States';
import { t } from '@/lib/i18n';
import { useMe } from '@/lib/session';

/** Everything below needs somebody signed in; others are sent to the door and come back. */
export function SignedIn() {
  const me = useMe();
  const location = useLocation();
  if (me.isPending) {
    return (
      <Center h="100vh">
        <Loader aria-label={t('Loading')} />
      </Center>
    );
  }
  // Once known, a check in the background that fails takes no page away.
  if (me.error && me.data === undefined) {
    return (
      <Container size="sm" py={80}>
        <ErrorState error={me.error} retry={() => void me.refetch()} />
      </Container>
    );
  }
  if (!me.data) return <Navigate to={`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`} replace />;
  return <Outlet />;
}
