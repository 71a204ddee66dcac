import { ActionIcon, Anchor, Card, Group, Select, SimpleGrid, Stack, Switch, Textarea, Title } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { IconArrowDown, IconArrowUp, IconTrash } from '@tabler/icons-react';
import { Link } from 'react-router';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import type { Draft } from './draft';

interface Props {
  form: UseFormReturnType<Draft>;
  position: number;
}

/** A worked example to be written: the pair, its verdict, the reason, and whether the quiz asks it. */
export function ExampleFields({ form, position }: Props) {
  const { slug, intensity_labels: labels } = useProject();
  const example = form.values.examples[position];
  if (!example) return null;
  const number = position + 1;
  const at = (field: string) => `examples.${position}.${field}`;
  const move = (to: number) => form.reorderListItem('examples', { from: position, to });
  const intensities = labels.map((label, place) => ({ value: String(labels.length - place), label }));
  return (
    <Card withBorder component="section" aria-label={t('Example {{number}}', { number })}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={3} size="h5">
            {t('Example {{number}}', { number })}
          </Title>
          <Group gap={4}>
            <ActionIcon
              variant="subtle"
              color="gray"
              disabled={position === 0}
              aria-label={t('Move example {{number}} up', { number })}
              onClick={() => move(position - 1)}
            >
              <IconArrowUp size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="gray"
              disabled={position === form.values.examples.length - 1}
              aria-label={t('Move example {{number}} down', { number })}
              onClick={() => move(position + 1)}
            >
              <IconArrowDown size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="red"
              aria-label={t('Remove example {{number}}', { number })}
              onClick={() => form.removeListItem('examples', position)}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        </Group>
        {example.comparison != null && (
          <Anchor component={Link} to={`/projects/${slug}/comparisons/${example.comparison}`} size="sm" w="fit-content">
            {t('From comparison {{id}}', { id: example.comparison })}
          </Anchor>
        )}
        <Textarea label={t('Prompt')} autosize withAsterisk {...form.getInputProps(at('prompt'))} />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Textarea label={t('Completion A')} autosize minRows={3} withAsterisk {...form.getInputProps(at('completion_a'))} />
          <Textarea label={t('Completion B')} autosize minRows={3} withAsterisk {...form.getInputProps(at('completion_b'))} />
          <Select
            label={t('Verdict')}
            allowDeselect={false}
            data={[{ value: 'a', label: t('A is better') }, { value: 'b', label: t('B is better') }, { value: 'tie', label: t('Tie') }]}
            value={example.preferred}
            error={form.errors[at('preferred')]}
            onChange={(value) => {
              form.setFieldValue(at('preferred'), value ?? example.preferred);
              form.setFieldValue(at('intensity'), value === 'tie' ? null : (example.intensity ?? 1));
            }}
          />
          <Select
            label={t('Intensity')}
            allowDeselect={false}
            disabled={example.preferred === 'tie'}
            data={intensities}
            value={example.intensity === null ? null : String(example.intensity)}
            error={form.errors[at('intensity')]}
            onChange={(value) => form.setFieldValue(at('intensity'), Number(value))}
          />
        </SimpleGrid>
        <Textarea
          label={t('Why')}
          description={t('The reason, as somebody new would understand it.')}
          autosize
          withAsterisk
          {...form.getInputProps(at('rationale'))}
        />
        <Switch
          label={t('Ask this in the quiz')}
          description={t('Without its verdict, and with sides that may be swapped. It is among the shown examples for who has passed.')}
          {...form.getInputProps(at('in_quiz'), { type: 'checkbox' })}
        />
      </Stack>
    </Card>
  );
}
