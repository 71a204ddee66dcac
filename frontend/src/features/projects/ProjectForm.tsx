import {
  ActionIcon, Alert, Autocomplete, Button, Group, Input, NumberInput, Select, SimpleGrid, Stack, Switch, Text, Textarea, TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { showErrors } from '@/lib/formErrors';

export interface ProjectValues {
  name: string;
  description: string;
  axis: string;
  intensity_labels: string[];
  ties_allowed: boolean;
  min_ratings: number;
  max_ratings: number;
  disagreement_limit: number;
  lease_minutes: number;
  pool_id?: number | null;
}

export const DEFAULTS: ProjectValues = {
  name: '',
  description: '',
  axis: 'helpfulness',
  intensity_labels: ['significantly better', 'better', 'slightly better', 'negligibly better or unsure'],
  ties_allowed: false,
  min_ratings: 3,
  max_ratings: 5,
  disagreement_limit: 0.3,
  lease_minutes: 30,
};

interface Props {
  initial: ProjectValues;
  pools?: { value: string; label: string }[];
  submitLabel: string;
  onSubmit: (values: ProjectValues) => Promise<void>;
}

export function ProjectForm({ initial, pools, submitLabel, onSubmit }: Props) {
  const form = useForm({ initialValues: initial });
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const levels = form.values.intensity_labels;

  const submit = async (values: ProjectValues) => {
    setBusy(true);
    setProblem('');
    try {
      await onSubmit(values);
    } catch (error) {
      setProblem(showErrors(form, error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form onSubmit={form.onSubmit((values) => void submit(values))}>
      <Stack maw={720} gap="lg">
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <TextInput label="Name" required maxLength={100} {...form.getInputProps('name')} />
        <Textarea label="Description" description="What the project is for; members see it." autosize minRows={2} {...form.getInputProps('description')} />
        <Autocomplete
          label="Axis"
          description="What “better” means here. Helpfulness and safety are best asked apart: two projects over one pool."
          data={['helpfulness', 'safety', 'overall', 'honesty']}
          required
          {...form.getInputProps('axis')}
        />
        {pools && (
          <Select
            label="Pool"
            description="A pool holds prompts and completions. Share one to ask another question about the same texts."
            data={[{ value: '', label: 'A new pool of its own' }, ...pools]}
            value={String(form.values.pool_id ?? '')}
            onChange={(value) => form.setFieldValue('pool_id', value ? Number(value) : null)}
            allowDeselect={false}
          />
        )}
        <Input.Wrapper
          label="Intensity levels"
          description="How strongly one is preferred, strongest first. With four levels the keys are 1 to 8."
          error={form.errors.intensity_labels}
        >
          <Stack gap="xs" mt="xs">
            {levels.map((_, position) => (
              <Group key={position} gap="xs" wrap="nowrap">
                <TextInput
                  aria-label={`Level ${position + 1} of ${levels.length}`}
                  style={{ flex: 1 }}
                  maxLength={60}
                  required
                  {...form.getInputProps(`intensity_labels.${position}`)}
                />
                <ActionIcon
                  variant="subtle"
                  color="red"
                  disabled={levels.length === 1}
                  aria-label={`Remove level ${position + 1}`}
                  onClick={() => form.removeListItem('intensity_labels', position)}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Group>
            ))}
            {levels.length < 4 && (
              <Button
                variant="subtle"
                size="xs"
                leftSection={<IconPlus size={14} />}
                onClick={() => form.insertListItem('intensity_labels', '')}
                w="fit-content"
              >
                Add a weaker level
              </Button>
            )}
          </Stack>
        </Input.Wrapper>
        <Switch
          label="Ties are allowed"
          description="Without ties, labellers decide for one side, if only negligibly."
          {...form.getInputProps('ties_allowed', { type: 'checkbox' })}
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NumberInput label="Ratings, at least" description="Each comparison gets this many." min={1} max={50} {...form.getInputProps('min_ratings')} />
          <NumberInput label="Ratings, at most" description="More are asked for where labellers split." min={1} max={50} {...form.getInputProps('max_ratings')} />
          <NumberInput
            label="Disagreement limit"
            description="Reviewers are warned above this share."
            min={0}
            max={1}
            step={0.05}
            decimalScale={2}
            {...form.getInputProps('disagreement_limit')}
          />
          <NumberInput label="Lease, minutes" description="So long a pair is one labeller's." min={1} max={1440} {...form.getInputProps('lease_minutes')} />
        </SimpleGrid>
        <Group>
          <Button type="submit" loading={isBusy}>
            {submitLabel}
          </Button>
          {form.isDirty() && (
            <Text size="sm" c="dimmed">
              Not saved yet
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  );
}
