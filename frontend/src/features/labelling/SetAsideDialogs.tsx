import { ReasonDialog, SKIP_REASONS } from '@/components/ReasonDialog';
import { t } from '@/lib/i18n';
import { FLAG_KINDS, type FlagKind } from './session';

interface Props<T> {
  isOpen: boolean;
  onClose: () => void;
  onSubmit: T;
}

export function SkipDialog({ onSubmit, ...rest }: Props<(reason: string) => void>) {
  return (
    <ReasonDialog
      {...rest}
      title={t('Skip this comparison')}
      question={t('Why? Somebody else gets it; you will not see it again.')}
      options={SKIP_REASONS}
      noteLabel={t('Reason')}
      maxNote={300}
      isNoteAlways={false}
      action={t('Skip')}
      onSubmit={(option, note) => onSubmit(note || option)}
    />
  );
}

export function FlagDialog({ onSubmit, ...rest }: Props<(kind: FlagKind, note: string) => void>) {
  return (
    <ReasonDialog
      {...rest}
      title={t('Flag this comparison')}
      question={t('What is wrong? A reviewer looks at it; you go on with the next one.')}
      options={FLAG_KINDS}
      noteLabel={t('Note for the reviewer')}
      maxNote={2000}
      isNoteAlways
      action={t('Flag')}
      onSubmit={(kind, note) => onSubmit(kind as FlagKind, note)}
    />
  );
}
