import { ActionIcon, Alert, Badge, Button, Card, Group, Stack, Text, Textarea, Title, Tooltip } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { api, ApiError } from '@/lib/api/client';
import type { Score } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

const MOST = 8;

/** Rewards of a few completions of one prompt, by the scorer. */
export function TryIt({ version }: { version: number }) {
  const { slug } = useProject();
  const form = useForm({ initialValues: { prompt: '', completions: ['', ''] } });
  const { prompt, completions } = form.values;
  const score = useMutation({
    mutationFn: () =>
      api.post<Score>(`projects/${slug}/score`, { messages: [{ role: 'user', content: prompt }], completions }),
    // A model that was promoted a moment ago is being loaded.
    retry: (failures, error) => failures < 8 && error instanceof ApiError && error.code === 'scorer_unavailable',
    retryDelay: 1_000,
  });
  const best = score.data && Math.max(...score.data.rewards);
  const isComplete = prompt.trim() !== '' && completions.every((text) => text.trim() !== '');
  return (
    <Card withBorder radius="md" component="section" aria-label={t('Try it')}>
      <Title order={2} size="h4">
        {t('Try it')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Rewards of v{{version}} through the scorer. Only differences between completions of one prompt mean something.', { version })}
      </Text>
      <form onSubmit={form.onSubmit(() => score.mutate())} onChange={() => score.reset()}>
        <Stack>
          {score.error && (
            <Alert color="red" role="alert">
              {score.error.message}
            </Alert>
          )}
          <Textarea label={t('Prompt')} autosize minRows={2} {...form.getInputProps('prompt')} />
          {completions.map((_, position) => {
            const reward = score.data?.rewards[position];
            return (
              <Textarea
                key={position}
                label={
                  <Group gap="xs" component="span">
                    {t('Completion {{name}}', { name: position + 1 })}
                    {reward !== undefined && (
                      <Badge variant={reward === best ? 'filled' : 'light'} tt="none">
                        {t('reward {{reward}}', { reward: number(reward, 3) })}
                      </Badge>
                    )}
                    {score.data?.truncated[position] && (
                      <Badge variant="light" color="yellow" tt="none">
                        {t('too long, cut')}
                      </Badge>
                    )}
                  </Group>
                }
                autosize
                minRows={2}
                rightSection={
                  completions.length > 2 && (
                    <Tooltip label={t('Remove')}>
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={t('Remove completion {{number}}', { number: position + 1 })}
                        onClick={() => {
                          form.removeListItem('completions', position);
                          score.reset();
                        }}
                      >
                        <IconTrash size={16} />
                      </ActionIcon>
                    </Tooltip>
                  )
                }
                {...form.getInputProps(`completions.${position}`)}
              />
            );
          })}
          <Group>
            <Button type="submit" disabled={!isComplete} loading={score.isPending}>
              {t('Score')}
            </Button>
            {completions.length < MOST && (
              <Button
                variant="default"
                leftSection={<IconPlus size={16} />}
                onClick={() => {
                  form.insertListItem('completions', '');
                  score.reset();
                }}
              >
                {t('Another completion')}
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Card>
  );
}
