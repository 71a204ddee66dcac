import { Anchor, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { EmptyState, Loaded } from '@/components/States';
import { StatText } from '@/components/StatValue';
import { api } from '@/lib/api/client';
import type { GuidelinesDisagreement } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

/** Which sections and examples of the guidelines disagreement is about. */
export function Disagreement() {
  const { slug } = useProject();
  const found = useQuery({
    queryKey: ['projects', slug, 'guidelines', 'disagreement'],
    queryFn: () => api.get<GuidelinesDisagreement>(`projects/${slug}/guidelines/disagreement`),
  });
  return (
    <Loaded query={found}>
      {({ sections, examples }) =>
        sections.length === 0 && examples.length === 0 ? (
          <EmptyState title={t('No disagreement to show')}>
            {t('Sections appear here as reviewers name them and labellers write about them.')}
          </EmptyState>
        ) : (
          <Stack gap="xl">
            <Sections sections={sections} />
            <Examples examples={examples} />
          </Stack>
        )
      }
    </Loaded>
  );
}

function Comparisons({ ids }: { ids: number[] }) {
  const { slug } = useProject();
  if (ids.length === 0) return <>–</>;
  return (
    <Group gap={8}>
      {ids.map((id) => (
        <Anchor key={id} component={Link} to={`/projects/${slug}/comparisons/${id}`} size="sm" lh="24px" miw={24} ta="center" display="inline-block" aria-label={t('Comparison {{id}}', { id })}>
          {id}
        </Anchor>
      ))}
    </Group>
  );
}

function Part({ title, table, text, children }: { title: string; table: string; text: string; children: ReactNode }) {
  const { slug } = useProject();
  return (
    <section aria-label={title}>
      <Group justify="space-between" mb={4}>
        <Title order={2}>{title}</Title>
        <CsvButton slug={slug} name={table} title={title} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm" maw={760}>
        {text}
      </Text>
      <Table.ScrollContainer minWidth={640} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
        <Table aria-label={title} verticalSpacing="xs">
          {children}
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function Sections({ sections }: Pick<GuidelinesDisagreement, 'sections'>) {
  if (sections.length === 0) return null;
  return (
    <Part
      title={t('Sections')}
      table="guideline-sections"
      text={t('Settled: verdicts that name the section. Flagged and disputed: flags of unclear guidelines, and comparisons that split the labellers, whose words are closest to the section’s.')}
    >
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('Section')}</Table.Th>
          <Table.Th ta="right">{t('Settled by it')}</Table.Th>
          <Table.Th ta="right">{t('Flagged')}</Table.Th>
          <Table.Th ta="right">{t('Disputed')}</Table.Th>
          <Table.Th>{t('Comparisons')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {sections.map((section, position) => (
          <Table.Tr key={`${section.heading} ${position}`}>
            <Table.Td>{section.heading || t('Before the first heading')}</Table.Td>
            <Table.Td ta="right">{number(section.n_adjudications)}</Table.Td>
            <Table.Td ta="right">{number(section.n_flags)}</Table.Td>
            <Table.Td ta="right">{number(section.n_disputed)}</Table.Td>
            <Table.Td>
              <Comparisons ids={section.comparisons} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Part>
  );
}

function Examples({ examples }: Pick<GuidelinesDisagreement, 'examples'>) {
  if (examples.length === 0) return null;
  return (
    <Part
      title={t('Worked examples')}
      table="guideline-examples"
      text={t('How labellers first answered them in the quiz. One that many get wrong is unclear, or the text before it is.')}
    >
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('Example')}</Table.Th>
          <Table.Th ta="right">{t('Answers')}</Table.Th>
          <Table.Th>{t('Wrong')}</Table.Th>
          <Table.Th>{t('Commonest wrong answer')}</Table.Th>
          <Table.Th>{t('From comparison')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {examples.map((example) => (
          <Table.Tr key={example.id}>
            <Table.Td maw={380}>
              <Text size="sm" lineClamp={2} dir="auto">
                {example.position + 1}. {example.prompt}
              </Text>
            </Table.Td>
            <Table.Td ta="right">{number(example.n_answers)}</Table.Td>
            <Table.Td>{example.n_answers === 0 ? '–' : <StatText stat={example.share_wrong} unit="rating" />}</Table.Td>
            <Table.Td>
              {example.mostly
                ? `${example.mostly.preferred === 'tie' ? t('Tie') : example.mostly.preferred.toUpperCase()} (${number(example.mostly.n)})`
                : '–'}
            </Table.Td>
            <Table.Td>
              <Comparisons ids={example.comparison === null ? [] : [example.comparison]} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Part>
  );
}
