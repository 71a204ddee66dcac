import { Button, Divider, Group, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { askFirst } from '@/components/confirm';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { api } from '@/lib/api/client';
import type { Project } from '@/lib/api/types';
import { meKey, projectKey, useProject } from '@/lib/session';
import { ProjectForm } from './ProjectForm';

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
    save.mutate({ is_archived }, { onError: complain, onSuccess: () => tell(is_archived ? 'Archived.' : 'Back from the archive.') });
  return (
    <>
      <PageHeader title="Settings" description={`Pool: ${project.pool.name}`} />
      <ProjectForm
        key={project.slug}
        initial={{
          name: project.name,
          description: project.description,
          axis: project.axis,
          intensity_labels: project.intensity_labels,
          ties_allowed: project.ties_allowed,
          min_ratings: project.min_ratings,
          max_ratings: project.max_ratings,
          disagreement_limit: project.disagreement_limit,
          lease_minutes: project.lease_minutes,
        }}
        submitLabel="Save"
        onSubmit={async (values) => {
          await save.mutateAsync(values);
          tell('Saved.');
        }}
      />
      <Divider my="xl" />
      <Title order={2}>Archive</Title>
      <Group mt="xs">
        <Text c="dimmed" maw={520}>
          An archived project is marked as such and keeps everything. You can bring it back.
        </Text>
        {project.is_archived ? (
          <Button variant="default" onClick={() => setArchived(false)}>
            Bring it back
          </Button>
        ) : (
          <Button
            variant="default"
            color="red"
            onClick={() =>
              askFirst({
                title: 'Archive this project?',
                text: 'It is marked as archived for everybody. Nothing is deleted.',
                confirm: 'Archive it',
                onConfirm: () => setArchived(true),
              })
            }
          >
            Archive the project
          </Button>
        )}
      </Group>
    </>
  );
}
