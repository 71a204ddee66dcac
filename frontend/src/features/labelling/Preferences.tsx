import { Button, Group, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { complain } from '@/components/notify';
import { ErrorState } from '@/components/States';
import { api } from '@/lib/api/client';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

interface OwnPreferences {
  declined_tags: string[];
}

/** The categories that the labeller has declined in this project, each to be taken back; nothing where there are none. */
export function Preferences() {
  const { slug, sensitive_tags } = useProject();
  const queries = useQueryClient();
  const key = ['projects', slug, 'preferences'];
  const preferences = useQuery({
    queryKey: key,
    queryFn: () => api.get<OwnPreferences>(`projects/${slug}/preferences`),
    enabled: sensitive_tags.length > 0,
  });
  // What the project no longer warns of is declined in vain, and the server does not take it back.
  const declined = preferences.data?.declined_tags.filter((tag) => sensitive_tags.includes(tag)) ?? [];
  const takeBack = useMutation({
    mutationFn: (tag: string) =>
      api.patch<OwnPreferences>(`projects/${slug}/preferences`, { declined_tags: declined.filter((other) => other !== tag) }),
    onSuccess: (saved) => queries.setQueryData(key, saved),
    onError: complain,
  });
  if (preferences.error) return <ErrorState error={preferences.error} retry={() => void preferences.refetch()} />;
  if (declined.length === 0) return null;
  return (
    <section aria-label={t('Declined categories')}>
      <Title order={2} size="h4" mt="xl">
        {t('Declined categories')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Pairs of these categories are not given to you.')}
      </Text>
      {declined.map((tag) => (
        <Group key={tag} gap="sm" mb="xs">
          <Text>{tag}</Text>
          <Button
            size="compact-sm"
            variant="default"
            loading={takeBack.isPending && takeBack.variables === tag}
            disabled={takeBack.isPending}
            onClick={() => takeBack.mutate(tag)}
            aria-label={t('Give me such pairs again: {{tag}}', { tag })}
          >
            {t('Give me such pairs again')}
          </Button>
        </Group>
      ))}
    </section>
  );
}
