import { CloseButton, Drawer, Group, Text, Title } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { GuidelinesText } from '@/components/GuidelinesText';
import { Loaded } from '@/components/States';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { useGuidelines } from './guidelines';
import classes from './Labelling.module.css';

function Body({ version }: { version: number | null }) {
  return version === null ? <Text c="dimmed">{t('This project has no guidelines yet.')}</Text> : <Version version={version} />;
}

function Version({ version }: { version: number }) {
  const project = useProject();
  return (
    <Loaded query={useGuidelines(project.slug, version)}>
      {(found) => <GuidelinesText version={found} labels={project.intensity_labels} />}
    </Loaded>
  );
}

interface Props {
  version: number | null;
  isOpen: boolean;
  onClose: () => void;
}

/** The guidelines beside the pair, where rating goes on; on small screens they lie over it. */
export function GuidelinesPanel({ version, isOpen, onClose }: Props) {
  const isWide = useMediaQuery('(min-width: 1200px)', true, { getInitialValueInEffect: false });
  const title = version === null ? t('Guidelines') : t('Guidelines, version {{version}}', { version });
  if (!isWide) {
    return (
      <Drawer
        opened={isOpen}
        onClose={onClose}
        position="right"
        title={title}
        returnFocus={false}
        transitionProps={{ duration: 0 }}
        closeButtonProps={{ 'aria-label': t('Close the guidelines') }}
      >
        <Body version={version} />
      </Drawer>
    );
  }
  if (!isOpen) return null;
  return (
    <aside className={classes.panel} aria-label={t('Guidelines')}>
      <Group justify="space-between" wrap="nowrap" mb="sm">
        <Title order={2}>{title}</Title>
        <CloseButton onClick={onClose} aria-label={t('Close the guidelines')} />
      </Group>
      <Body version={version} />
    </aside>
  );
}
