import { Badge, Group, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { CsvButton } from '@/components/CsvButton';
import { api } from '@/lib/api/client';
import type { Agreement, LabellerModels } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { SCROLLABLE } from '../scrollable';

const NAMES: Record<LabellerModels['rows'][number]['model'], string> = {
  graded: t('Graded: how finely they see a difference'),
  dawid_skene: t('Dawid-Skene: what they take for what'),
  mace: t('MACE: whether they look'),
  vote_shares: t('Vote shares: everybody alike'),
};

/** Which model says how reliable labellers are, and why this one. */
export function Models() {
  const { slug } = useProject();
  const agreement = useQuery({
    queryKey: ['projects', slug, 'agreement'],
    queryFn: () => api.get<Agreement>(`projects/${slug}/agreement`),
  });
  const models = agreement.data?.models;
  if (!models) return null;
  return (
    <section>
      <Group justify="space-between" mb="xs">
        <Title order={2}>{t('Where reliability comes from')}</Title>
        {models.rows.length > 0 && <CsvButton slug={slug} name="models" title={t('Where reliability comes from')} />}
      </Group>
      <Text size="sm" c="dimmed" mb="sm" maw={760}>
        {models.n_held_out === 0
          ? t('By the graded model of labellers: too few comparisons have several ratings to compare it with others.')
          : t('Each model was given four fifths of the ratings and predicted the rest, {{ratings}} in all. The one in use predicts best, or not clearly worse than the best.', {
              ratings: t('{{count}} ratings', { count: models.n_held_out }),
            })}
      </Text>
      {models.rows.length > 0 && (
        <Table.ScrollContainer minWidth={480} maw={760} scrollAreaProps={SCROLLABLE}>
          <Table aria-label={t('Where reliability comes from')} verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Model of labellers')}</Table.Th>
                <Table.Th ta="right">{t('Mean log chance of what was said')}</Table.Th>
                <Table.Th ta="right">{t('Side predicted')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {models.rows.map(({ model, log_likelihood, accuracy }) => (
                <Table.Tr key={model}>
                  <Table.Td>
                    {NAMES[model]}{' '}
                    {model === models.chosen && (
                      <Badge variant="light" tt="none" c="var(--mantine-color-text)">
                        {t('in use')}
                      </Badge>
                    )}
                  </Table.Td>
                  <Table.Td ta="right">{number(log_likelihood, 3)}</Table.Td>
                  <Table.Td ta="right">{percent(accuracy)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}
