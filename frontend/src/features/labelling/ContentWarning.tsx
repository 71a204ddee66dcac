import { Alert, Button, Group, Text } from '@mantine/core';
import { useEffect, type RefObject } from 'react';
import { t } from '@/lib/i18n';

interface Props {
  /** The button that has the focus first. */
  showRef: RefObject<HTMLButtonElement | null>;
  /** What the prompt is marked with. */
  categories: string[];
  onReveal: () => void;
  onSkip: () => void;
  /** Skip it and everything else of these categories from now on. */
  onDecline: () => void;
}

/** Before a pair that may distress: nobody has to see it. */
export function ContentWarning({ showRef, categories, onReveal, onSkip, onDecline }: Props) {
  useEffect(() => showRef.current?.focus({ preventScroll: true }), [showRef]);
  return (
    <Alert color="orange" title={t('This pair may be distressing')} role="alertdialog">
      <Text size="sm" mb="sm">
        {t('It is marked: {{categories}}. You do not have to see it.', { categories: categories.join(', ') })}
      </Text>
      <Group gap="xs">
        <Button ref={showRef} size="compact-md" onClick={onReveal}>
          {t('Show it')}
        </Button>
        <Button size="compact-md" variant="default" onClick={onSkip}>
          {t('Skip this one')}
        </Button>
        <Button size="compact-md" variant="default" onClick={onDecline}>
          {t('Never show me such pairs')}
        </Button>
      </Group>
    </Alert>
  );
}
