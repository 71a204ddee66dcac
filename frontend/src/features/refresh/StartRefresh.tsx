import {
  Accordion, Alert, Button, Group, Modal, NumberInput, Select, SegmentedControl, SimpleGrid, Stack, Text, TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { api } from '@/lib/api/client';
import type { RefreshCycle, SetPreview } from '@/lib/api/types';
import { plural } from '@/lib/format';
import { useProject } from '@/lib/session';

const ACQUISITIONS = [
  { value: 'disagreement', label: 'Where the reward model is unsure (heads disagree)' },
  { value: 'gap', label: 'Where the rewards are close' },
  { value: 'random', label: 'At random' },
];

/** The form that starts a refresh, with live counts of what would go in. */
export function StartRefresh({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const form = useForm({
    initialValues: {
      name: '',
      base_model: 'builtin',
      acquisition: 'disagreement',
      budget: 100,
      min_ratings: 1,
      min_agreement: 0,
      ties: 'drop',
    },
  });
  const { min_ratings, min_agreement, ties } = form.values;
  const [spec] = useDebouncedValue({ min_ratings, min_agreement: min_agreement / 100, ties }, 300);
  const preview = useQuery({
    queryKey: ['projects', slug, 'comparison-sets', 'preview', spec],
    queryFn: () => api.get<SetPreview>(`projects/${slug}/comparison-sets/preview`, spec),
    enabled: isOpen,
    placeholderData: (previous) => previous,
  });
  const start = useMutation({
    mutationFn: () => {
      const { name, base_model, acquisition, budget } = form.values;
      const body = { name, base_model: base_model.trim() || 'builtin', acquisition, budget, spec: { ...spec, min_agreement: min_agreement / 100 } };
      return api.post<RefreshCycle>(`projects/${slug}/refreshes`, body);
    },
    onSuccess: async (cycle) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'refreshes'] });
      close();
      void navigate(`/projects/${slug}/refreshes/${cycle.id}`);
    },
  });
  return (
    <Modal opened={isOpen} onClose={close} title="Start a refresh" size="lg">
      <form onSubmit={form.onSubmit(() => start.mutate())}>
        <Stack>
          {start.error && (
            <Alert color="red" role="alert">
              {start.error.message}
            </Alert>
          )}
          <Counts preview={preview.data} error={preview.error} />
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <NumberInput label="Ratings a comparison needs" min={1} max={50} {...form.getInputProps('min_ratings')} />
            <NumberInput label="Least agreement, %" min={0} max={100} step={5} {...form.getInputProps('min_agreement')} />
          </SimpleGrid>
          <div>
            <Text size="sm" fw={500} id="ties-label">
              Comparisons without a preferred side
            </Text>
            <SegmentedControl
              aria-labelledby="ties-label"
              data={[
                { value: 'drop', label: 'Leave out' },
                { value: 'soft', label: 'Keep as ties' },
              ]}
              {...form.getInputProps('ties')}
            />
          </div>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Select label="Ask next for comparisons" allowDeselect={false} data={ACQUISITIONS} {...form.getInputProps('acquisition')} />
            <NumberInput label="How many" min={1} max={50_000} {...form.getInputProps('budget')} />
          </SimpleGrid>
          <Accordion variant="contained">
            <Accordion.Item value="more">
              <Accordion.Control>Name and base model</Accordion.Control>
              <Accordion.Panel>
                <Stack>
                  <TextInput label="Name" placeholder="after the new guidelines" maxLength={120} {...form.getInputProps('name')} />
                  <TextInput
                    label="Base model"
                    description="builtin, or the path or hub id of a model with safetensors weights that the worker can read"
                    {...form.getInputProps('base_model')}
                  />
                </Stack>
              </Accordion.Panel>
            </Accordion.Item>
          </Accordion>
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Not now
            </Button>
            <Button type="submit" loading={start.isPending}>
              Start
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Counts({ preview, error }: { preview: SetPreview | undefined; error: Error | null }) {
  if (error) return <Alert color="yellow">{error.message}</Alert>;
  if (!preview) return <Text c="dimmed">Counting …</Text>;
  const leftOut = Object.entries(preview.left_out).filter(([, n]) => n > 0);
  return (
    <Alert color="blue" variant="light" aria-live="polite">
      <Text fw={600}>
        {plural(preview.comparisons, 'comparison')} of {plural(preview.prompts, 'prompt')}, {plural(preview.ratings, 'rating')}
      </Text>
      <Text size="sm">
        {preview.train} to train on, {preview.validation} for validation, {preview.test} held out.
        {leftOut.length > 0 && ` Left out: ${leftOut.map(([why, n]) => `${n} ${why.replaceAll('_', ' ')}`).join(', ')}.`}
      </Text>
    </Alert>
  );
}
