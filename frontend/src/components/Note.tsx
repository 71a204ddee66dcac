import { Textarea } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { t } from '@/lib/i18n';

interface Props {
  value: string;
  minLength: number;
  onChange: (value: string) => void;
  /** Back to the keys. */
  onLeave: () => void;
  /** Control+Enter: send, if an answer is given. */
  onSubmit: () => void;
  /** How often the field was asked for: it takes the focus each time. */
  focusCount?: number;
}

/** Why: written by whoever wants to, or asked of everybody. */
export function Note({ value, minLength, onChange, onLeave, onSubmit, focusCount = 0 }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), [focusCount]);
  const left = minLength - value.trim().length;
  return (
    <Textarea
      ref={field}
      aria-label={minLength > 0 ? t('Why') : t('Why (optional)')}
      aria-required={minLength > 0}
      placeholder={t('Why? Escape goes back to the keys, Ctrl+Enter sends.')}
      description={left > 0 ? t('{{left}} more characters, please.', { left }) : undefined}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      autosize
      minRows={1}
      maxRows={5}
      maxLength={10_000}
      value={value}
      dir="auto"
      onChange={(event) => onChange(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          onSubmit();
        }
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onLeave();
      }}
    />
  );
}
