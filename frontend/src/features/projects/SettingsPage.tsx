import { Button, Divider, Group, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { api } from '@/lib/api/client';
import type { Project } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { meKey, projectKey, useProject } from '@/lib/session';
import { ProjectForm, settingsOf } from './ProjectForm';

export function SettingsPage() {
  const project = useProject();
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: (changes: Partial<Project>) => api.patch<Project>(`projects/${project.slug}`, changes),
    onSuccess: async (saved) => {
      queries.setQueryData(projectKey(project.slug), saved);
      await queries.invalidateQueries({ queryKey: meKey });
    },
  });
  const setArchived = (is_archived: boolean) =>
    save.mutate({ is_archived }, { onError: complain, onSuccess: () => tell(is_archived ? t('Archived.') : t('Back from the archive.')) });
  return (
    <>
      <PageHeader title={t('Settings')} description={t('Pool: {{pool}}', { pool: project.pool.name })} />
      <ProjectForm
        key={project.slug}
        initial={settingsOf(project)}
        submitLabel={t('Save')}
        onSubmit={async (values) => {
          await save.mutateAsync(values);
          tell(t('Saved.'));
        }}
      />
      <Divider my="xl" />
      <Title order={2}>{t('Archive')}</Title>
      <Group mt="xs">
        <Text c="dimmed" maw={520}>
          {t('An archived project is marked as such and keeps everything. You can bring it back.')}
        </Text>
        {project.is_archived ? (
          <Button variant="default" onClick={() => setArchived(false)}>
            {t('Bring it back')}
          </Button>
        ) : (
          <Button
            variant="default"
            color="red"
            onClick={() =>
              askFirst({
                title: t('Archive this project?'),
                text: t('It is marked as archived for everybody. Nothing is deleted.'),
                confirm: t('Archive it'),
                onConfirm: () => setArchived(true),
              })
            }
          >
            {t('Archive the project')}
          </Button>
        )}
      </Group>
    </>
  );
}
