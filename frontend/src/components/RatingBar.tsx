import { UnstyledButton } from '@mantine/core';
import type { CSSProperties } from 'react';
import { t } from '@/lib/i18n';
import type { Choice } from '@/lib/intensity';
import { KeyCap } from './KeyCap';
import classes from './RatingBar.module.css';

interface Props {
  choices: Choice[];
  n_levels: number;
  /** What was answered before, or waits for the second question. */
  chosen?: Choice | null;
  onChoose: (choice: Choice) => void;
}

/** The answers, from "A strongest" to "B strongest". */
export function RatingBar({ choices, n_levels, chosen, onChoose }: Props) {
  const sizes = { '--n-choices': choices.length, '--n-levels': n_levels } as CSSProperties;
  const tone = (choice: Choice) => `${Math.round((24 * (choice.intensity ?? 0)) / n_levels)}%`;
  return (
    <div role="group" aria-label={t('Which is better?')} className={classes.choices} style={sizes}>
      {choices.map((choice) => (
        <UnstyledButton
          key={choice.id}
          className={classes.choice}
          style={{ '--tone': tone(choice) }}
          mod={{ tie: choice.preferred === 'tie', chosen: chosen?.id === choice.id }}
          aria-label={`${choice.label} (${choice.keyName})`}
          aria-keyshortcuts={choice.keyName}
          aria-pressed={chosen ? chosen.id === choice.id : undefined}
          title={`${choice.label} (${choice.keyName})`}
          onClick={() => onChoose(choice)}
        >
          <KeyCap keyName={choice.keyName} />
          {choice.label}
        </UnstyledButton>
      ))}
    </div>
  );
}
