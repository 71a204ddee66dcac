import { Alert, Button, Card, Group, Select, SimpleGrid, Stack, Tabs, Text, Textarea, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { GuidelinesText } from '@/components/GuidelinesText';
import { PageHeader } from '@/components/PageHeader';
import { tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api, ApiError } from '@/lib/api/client';
import type { GuidelineVersion, WorkedExample } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { useProject } from '@/lib/session';

const EMPTY: WorkedExample = { prompt: '', completion_a: '', completion_b: '', preferred: 'a', intensity: 2, rationale: '' };

export function EditGuidelinesPage() {
  const { slug } = useProject();
  const current = useQuery({
    queryKey: ['projects', slug, 'guidelines', 'current'],
    queryFn: async () => {
      try {
        return await api.get<GuidelineVersion>(`projects/${slug}/guidelines/current`);
      } catch (error) {
        if (error instanceof ApiError && error.code === 'no_guidelines') return null;
        throw error;
      }
    },
  });
  return (
    <>
      <PageHeader title="Write guidelines" description="Markdown on the left, what labellers will read under Preview. Publishing makes a new version." />
      <Loaded query={current}>{(version) => <Editor key={version?.number ?? 0} current={version} />}</Loaded>
    </>
  );
}

function Editor({ current }: { current: GuidelineVersion | null }) {
  const project = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [problem, setProblem] = useState('');
  const form = useForm({
    initialValues: { body: current?.body ?? '', change_note: '', examples: current?.examples ?? ([] as WorkedExample[]) },
  });
  const publish = useMutation({
    mutationFn: (values: typeof form.values) => api.post<GuidelineVersion>(`projects/${project.slug}/guidelines`, values),
    onSuccess: async (version) => {
      await queries.invalidateQueries({ queryKey: ['projects', project.slug, 'guidelines'] });
      tell(`Version ${version.number} is published.`);
      void navigate(`/projects/${project.slug}/guidelines`);
    },
    onError: (error) => setProblem(showErrors(form, error)),
  });
  const intensities = project.intensity_labels.map((label, position) => ({
    value: String(project.intensity_labels.length - position),
    label,
  }));
  const preview: GuidelineVersion = {
    number: (current?.number ?? 0) + 1, author: '', published_at: '', ...form.values,
  };
  return (
    <form onSubmit={form.onSubmit((values) => publish.mutate(values))}>
      <Tabs defaultValue="write" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="write">Write</Tabs.Tab>
          <Tabs.Tab value="preview">Preview</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="preview">
          <GuidelinesText version={preview} labels={project.intensity_labels} />
        </Tabs.Panel>
        <Tabs.Panel value="write">
          <Stack maw={860}>
            {problem && <Alert color="red">{problem}</Alert>}
            <Textarea label="Guidelines" description="Markdown" autosize minRows={14} maxRows={40} required {...form.getInputProps('body')} />
            <Title order={2}>Worked examples</Title>
            <Text c="dimmed" size="sm">
              A pair with its verdict and the reason for it teaches more than a rule.
            </Text>
            {form.values.examples.map((example, position) => (
              <Card key={position} withBorder>
                <Stack gap="sm">
                  <Group justify="space-between">
                    <Text fw={600}>Example {position + 1}</Text>
                    <Button
                      size="xs"
                      variant="subtle"
                      color="red"
                      leftSection={<IconTrash size={14} />}
                      onClick={() => form.removeListItem('examples', position)}
                    >
                      Remove
                    </Button>
                  </Group>
                  <Textarea label="Prompt" autosize required {...form.getInputProps(`examples.${position}.prompt`)} />
                  <SimpleGrid cols={{ base: 1, sm: 2 }}>
                    <Textarea label="Completion A" autosize minRows={3} required {...form.getInputProps(`examples.${position}.completion_a`)} />
                    <Textarea label="Completion B" autosize minRows={3} required {...form.getInputProps(`examples.${position}.completion_b`)} />
                    <Select
                      label="Preferred"
                      allowDeselect={false}
                      data={[{ value: 'a', label: 'A' }, { value: 'b', label: 'B' }, { value: 'tie', label: 'Tie' }]}
                      value={example.preferred}
                      onChange={(value) => {
                        form.setFieldValue(`examples.${position}.preferred`, value ?? example.preferred);
                        form.setFieldValue(`examples.${position}.intensity`, value === 'tie' ? null : (example.intensity ?? 1));
                      }}
                    />
                    <Select
                      label="Intensity"
                      allowDeselect={false}
                      disabled={example.preferred === 'tie'}
                      data={intensities}
                      value={example.intensity === null ? null : String(example.intensity)}
                      onChange={(value) => form.setFieldValue(`examples.${position}.intensity`, Number(value))}
                    />
                  </SimpleGrid>
                  <Textarea label="Why" autosize required {...form.getInputProps(`examples.${position}.rationale`)} />
                </Stack>
              </Card>
            ))}
            <Button variant="default" w="fit-content" leftSection={<IconPlus size={16} />} onClick={() => form.insertListItem('examples', { ...EMPTY })}>
              Add an example
            </Button>
          </Stack>
        </Tabs.Panel>
      </Tabs>
      <Group mt="xl" align="flex-end">
        <TextInput label="What changed" description="Reviewers see it beside the version." maxLength={500} w={{ base: '100%', sm: 420 }} {...form.getInputProps('change_note')} />
        <Button type="submit" loading={publish.isPending} disabled={!form.values.body.trim()}>
          Publish version {preview.number}
        </Button>
      </Group>
    </form>
  );
}
