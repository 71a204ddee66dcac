import { Button, Group, Text } from '@mantine/core';
import { useRef } from 'react';
import { KeyCap } from '@/components/KeyCap';
import { RatingBar } from '@/components/RatingBar';
import { t } from '@/lib/i18n';
import type { Choice } from '@/lib/intensity';
import { useProject } from '@/lib/session';
import { ariaKeys, printed, type Shortcut } from '@/lib/shortcuts/shortcuts';
import { useRoomFor } from '@/lib/useRoomFor';
import classes from './Review.module.css';
import { chosenOf } from './settling';
import type { Settlement } from './useSettling';
import { verdict } from './words';

interface Props {
  settlement: Settlement;
  choices: Choice[];
  onChoose: (choice: Choice) => void;
  invalid: Shortcut;
  settle: Shortcut;
}

/** The answers on the keys of labelling, what is chosen, and the button that settles. */
export function VerdictBar({ settlement: { form, isPending }, choices, onChoose, invalid, settle }: Props) {
  const { intensity_labels } = useProject();
  const bar = useRef<HTMLDivElement>(null);
  useRoomFor(bar);
  const { values, errors } = form;
  return (
    <div ref={bar} className={classes.bar}>
      <RatingBar
        choices={choices}
        n_levels={intensity_labels.length}
        chosen={chosenOf(values, choices)}
        onChoose={onChoose}
      />
      <div className={classes.state}>
        <Button
          variant={values.verdict === 'invalid' ? 'light' : 'subtle'}
          color="gray"
          c="var(--mantine-color-text)"
          size="compact-sm"
          rightSection={<KeyCap keyName={invalid.keyName} />}
          aria-label={`${invalid.label} (${invalid.keyName})`}
          aria-keyshortcuts={ariaKeys(invalid)}
          aria-pressed={values.verdict === 'invalid'}
          onClick={invalid.perform}
        >
          {invalid.label}
        </Button>
        <Group gap="sm">
          <Text size="sm" role="status" c={errors.verdict ? 'var(--mantine-color-error)' : undefined}>
            {errors.verdict ??
              (values.verdict
                ? t('Chosen: {{verdict}}', { verdict: verdict(intensity_labels, values.verdict, values.intensity) })
                : t('Choose a verdict.'))}
          </Text>
          <Button
            size="compact-md"
            loading={isPending}
            disabled={!values.verdict}
            aria-label={`${settle.label} (${settle.keyName})`}
            aria-keyshortcuts={ariaKeys(settle)}
            rightSection={<KeyCap keyName={printed(settle)} />}
            onClick={settle.perform}
            styles={{ section: { color: 'var(--mantine-color-text)' } }}
          >
            {settle.label}
          </Button>
        </Group>
      </div>
    </div>
  );
}
