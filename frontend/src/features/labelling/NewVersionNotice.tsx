import { Alert, Anchor, Group, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { Link } from 'react-router';
import { t } from '@/lib/i18n';
import { useMe, useProject } from '@/lib/session';
import { useGuidelines } from './guidelines';
import { usePassedVersion } from './qualification';

/** Says once that the guidelines have a new version that nobody has to read before going on, and what it changes. */
export function NewVersionNotice({ version }: { version: number }) {
  const me = useMe();
  return me.data ? <Unless key={`${me.data.id}/${version}`} userId={me.data.id} version={version} /> : null;
}

/** Unless it was dismissed on this device, or this very version was read on the way in. */
function Unless({ userId, version }: { userId: number; version: number }) {
  const { slug } = useProject();
  const [isDismissed, setDismissed] = useLocalStorage({
    key: `touchstone:guidelines-notice:${userId}:${slug}:${version}`,
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const passed = usePassedVersion(slug, !isDismissed);
  if (isDismissed || !passed || passed >= version) return null;
  return <Notice version={version} passed={passed} onDismiss={() => setDismissed(true)} />;
}

function Notice({ version, passed, onDismiss }: { version: number; passed: number; onDismiss: () => void }) {
  const { slug } = useProject();
  const { data } = useGuidelines(slug, version);
  // What changes meaning stands before the work, not above it.
  if (!data || data.changes_meaning) return null;
  return (
    <Alert
      color="blue"
      p="xs"
      role="status"
      withCloseButton
      closeButtonLabel={t('Dismiss')}
      onClose={onDismiss}
      title={t('The guidelines have a new version: {{number}}', { number: version })}
    >
      <Group gap="xs">
        <Text size="sm">{data.change_note || t('It changes nothing about what ratings mean.')}</Text>
        <Anchor component={Link} size="sm" to={`/projects/${slug}/guidelines?version=${version}&compare=${passed}`}>
          {t('See what changed')}
        </Anchor>
      </Group>
    </Alert>
  );
}
