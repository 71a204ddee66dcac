import { Alert, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { complain, tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { GenerationChoices, RefreshCycle, RefreshStage } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { partOf, type FormPart } from '@/lib/formPart';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import {
  BaseField, Budget, CandidatesChoice, CandidatesFields, LabellingFields, PromotionField, SamplingRules, SpecFieldsMain, SpecFieldsMore, StartField,
  TrainingOptions,
} from './Fields';
import { formOf, isEditable, partRequest, type EditableStage, type RefreshForm } from './form';
import { label, STAGES } from './stages';
import { useChoices } from './usePreviews';

interface Props {
  cycle: RefreshCycle;
  stage: RefreshStage;
}

/** What a person may do about one stage now. */
export function StageActions({ cycle, stage }: Props) {
  const [dialog, setDialog] = useState<'edit' | 'skip' | null>(null);
  const restore = useStageChange(cycle, (path) => api.post<RefreshCycle>(`${path}/stages/${stage.name}/restore`), t('It is planned again.'));
  const close = () => setDialog(null);
  if (!stage.can_edit && !stage.can_skip && !stage.can_restore) return null;
  // Ten stages have the same buttons: each says which one it is for.
  const button = (text: string, describe: string, act: () => void, isLoading = false) => (
    <Button size="compact-xs" variant="default" aria-label={describe} loading={isLoading} onClick={act}>
      {text}
    </Button>
  );
  const of = { stage: label(stage.name) };
  return (
    <Group gap={6} mt={6}>
      {stage.can_edit && isEditable(stage.name) && button(t('Edit'), t('Edit: {{stage}}', of), () => setDialog('edit'))}
      {stage.can_skip && button(t('Leave out'), t('Leave out: {{stage}}', of), () => setDialog('skip'))}
      {stage.can_restore && button(t('Put back'), t('Put back: {{stage}}', of), () => restore.mutate(undefined, { onError: complain }), restore.isPending)}
      {isEditable(stage.name) && <EditStage cycle={cycle} name={stage.name} isOpen={dialog === 'edit'} close={close} />}
      <SkipStage cycle={cycle} stage={stage} isOpen={dialog === 'skip'} close={close} />
    </Group>
  );
}

/** A change of a stage: the page shows what the server answers at once. */
function useStageChange<Given = void>(cycle: RefreshCycle, change: (path: string, given: Given) => Promise<RefreshCycle>, done: string) {
  const { slug } = useProject();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (given: Given) => change(`projects/${slug}/refreshes/${cycle.id}`, given),
    onSuccess: async (changed) => {
      queries.setQueryData(['projects', slug, 'refreshes', String(cycle.id)], changed);
      tell(done);
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
    },
  });
}

interface DialogProps {
  cycle: RefreshCycle;
  isOpen: boolean;
  close: () => void;
}

/** Asks why a stage is left out, and says what follows. `title` and `action` for a stage whose leaving out has a name. */
export function SkipStage({ cycle, stage, isOpen, close, title, action }: DialogProps & { stage: RefreshStage; title?: string; action?: string }) {
  return (
    <Modal
      opened={isOpen}
      onClose={close}
      title={title ?? t('Leave out: {{stage}}', { stage: label(stage.name) })}
      closeButtonProps={{ 'aria-label': t('Close') }}
    >
      <SkipForm cycle={cycle} stage={stage} close={close} action={action ?? t('Leave it out')} />
    </Modal>
  );
}

function SkipForm({ cycle, stage, close, action }: { cycle: RefreshCycle; stage: RefreshStage; close: () => void; action: string }) {
  const [reason, setReason] = useState('');
  const skip = useStageChange(
    cycle,
    (path, given: string) => api.post<RefreshCycle>(`${path}/stages/${stage.name}/skip`, { reason: given }),
    stage.state === 'pending' ? t('It will be left out.') : t('It is left out; the refresh goes on.'),
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        skip.mutate(reason.trim(), { onSuccess: close });
      }}
    >
      <Stack>
        {skip.error && (
          <Alert color="red" role="alert">
            {skip.error.message}
          </Alert>
        )}
        <Text size="sm">{STAGES[stage.name]?.without}</Text>
        <Textarea
          label={t('Why')}
          required
          autosize
          minRows={2}
          maxLength={300}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('Leave it')}
          </Button>
          <Button type="submit" loading={skip.isPending} disabled={reason.trim() === ''}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Changes what a stage will do. */
function EditStage({ cycle, name, isOpen, close }: DialogProps & { name: EditableStage }) {
  const choices = useChoices(isOpen);
  return (
    <Modal
      opened={isOpen}
      onClose={close}
      title={t('Edit: {{stage}}', { stage: label(name) })}
      size="lg"
      closeButtonProps={{ 'aria-label': t('Close') }}
    >
      <Loaded query={choices}>{(found) => <EditForm cycle={cycle} name={name} choices={found} close={close} />}</Loaded>
    </Modal>
  );
}

function EditForm({ cycle, name, choices, close }: { cycle: RefreshCycle; name: EditableStage; choices: GenerationChoices; close: () => void }) {
  const form = useForm<RefreshForm>({ initialValues: formOf(cycle.config, choices) });
  const edit = useStageChange(
    cycle,
    (path, given: RefreshForm) => api.patch<RefreshCycle>(`${path}/stages/${name}`, partRequest(name, given, cycle.config)),
    t('Changed.'),
  );
  return (
    <form
      onSubmit={form.onSubmit((values) => edit.mutate(values, { onSuccess: close, onError: (error) => showErrors(form, error) }))}
    >
      <Stack>
        {edit.error && (
          <Alert color="red" role="alert">
            {edit.error.message}
          </Alert>
        )}
        {fieldsOf(name, partOf(form, '', form.values), choices)}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t('Leave it')}
          </Button>
          <Button type="submit" loading={edit.isPending}>
            {t('Save')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function fieldsOf(name: EditableStage, part: FormPart<RefreshForm>, choices: GenerationChoices): ReactNode {
  switch (name) {
    case 'candidates':
      return (
        <>
          <CandidatesChoice part={part} />
          {part.values.isGenerating && <CandidatesFields part={part} choices={choices} />}
        </>
      );
    case 'sample':
      return (
        <>
          <Budget part={part} />
          <SamplingRules part={part} />
        </>
      );
    case 'label':
      return <LabellingFields part={part} />;
    case 'export':
      return (
        <>
          <SpecFieldsMain part={part} />
          <SpecFieldsMore part={part} />
        </>
      );
    case 'base':
      return <BaseField part={part} />;
    case 'train':
      return (
        <>
          <StartField part={part} />
          <TrainingOptions part={part} />
        </>
      );
    case 'promote':
      return <PromotionField part={part} />;
  }
}
