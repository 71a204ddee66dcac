import { Badge, Button, Text, Title } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { complain, tell } from '@/components/notify';
import { PagedTable } from '@/components/PagedTable';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { QuizAttempt } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';

function outcomeOf(attempt: QuizAttempt): { text: string; colour: string } {
  if (attempt.revoked_at) return { text: t('Taken back'), colour: 'orange' };
  if (attempt.passed) return { text: attempt.n_questions > 0 ? t('Passed') : t('Read'), colour: 'teal' };
  if (attempt.forgiven) return { text: t('Not passed, set aside'), colour: 'gray' };
  return { text: attempt.is_blocking ? t('Not passed, no attempts left') : t('Not passed'), colour: 'red' };
}

/** Who has read the guidelines and how they did in the quiz; reviewers let them try again. */
export function Qualifications() {
  const { slug } = useProject();
  const queries = useQueryClient();
  const key = ['projects', slug, 'qualifications'];
  const attempts = usePages<QuizAttempt>(key, `projects/${slug}/qualifications`);
  const allow = useMutation({
    mutationFn: ({ labeller }: QuizAttempt) =>
      api.post<{ n_forgiven: number }>(`projects/${slug}/qualifications/${labeller.id}/allow`),
    onSuccess: async (_, { labeller }) => {
      await queries.invalidateQueries({ queryKey: key });
      tell(t('{{labeller}} may try again.', { labeller: labeller.pseudonym }));
    },
    onError: complain,
  });
  const ask = (attempt: QuizAttempt) =>
    modals.openConfirmModal({
      title: t('Allow {{labeller}} to try again?', { labeller: attempt.labeller.pseudonym }),
      children: (
        <Text size="sm">
          {t('Their failed attempts at the current version are set aside: they stay in this list and no longer count.')}
        </Text>
      ),
      labels: { confirm: t('Allow another attempt'), cancel: t('Cancel') },
      onConfirm: () => allow.mutate(attempt),
    });
  // One button a labeller, beside the newest attempt.
  const newest = new Map((attempts.rows ?? []).toReversed().map((attempt) => [attempt.labeller.id, attempt.id]));
  return (
    <section aria-labelledby="qualifications">
      <Title order={2} id="qualifications" mt="xl" mb={4}>
        {t('Qualifications')}
      </Title>
      <Text c="dimmed" size="sm" mb="sm">
        {t('Who has read the guidelines and passed their quiz, newest first.')}
      </Text>
      <PagedTable
        label={t('Qualifications')}
        query={attempts}
        rowKey={(attempt) => attempt.id}
        empty={<Text c="dimmed">{t('Nobody has read the guidelines yet.')}</Text>}
        columns={[
          { title: t('Labeller'), cell: ({ labeller }) => labeller.pseudonym },
          { title: t('Version'), cell: ({ version }) => version },
          {
            title: t('Right'),
            cell: ({ n_right, n_questions }) => (n_questions > 0 ? t('{{right}} of {{total}}', { right: n_right, total: n_questions }) : '–'),
          },
          {
            title: t('Result'),
            cell: (attempt) => {
              const { text, colour } = outcomeOf(attempt);
              return (
                <Badge variant="light" color={colour} c="var(--mantine-color-text)" tt="none" miw="max-content">
                  {text}
                </Badge>
              );
            },
          },
          { title: t('When'), cell: ({ created_at }) => <TimeAgo at={created_at} /> },
          {
            title: '',
            align: 'right',
            cell: (attempt) =>
              attempt.is_blocking &&
              newest.get(attempt.labeller.id) === attempt.id && (
                <Button
                  size="xs"
                  variant="light"
                  aria-label={t('Allow another attempt: {{labeller}}', { labeller: attempt.labeller.pseudonym })}
                  onClick={() => ask(attempt)}
                >
                  {t('Allow another attempt')}
                </Button>
              ),
          },
        ]}
      />
    </section>
  );
}
