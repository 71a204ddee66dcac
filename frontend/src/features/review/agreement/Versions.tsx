import { Anchor, Badge, Group, Table, Text, Title } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { Link, useLocation } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { StatText } from '@/components/StatValue';
import type { VersionAgreement } from '@/lib/api/types';
import { date, number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { ratingsOf } from '@/lib/links';
import { useProject } from '@/lib/session';
import { EFFECT_COLOURS, effectWords } from './effect';

/** Whether what was written in the guidelines made labellers agree more. */
export function Versions({ versions }: { versions: VersionAgreement[] }) {
  const { slug } = useProject();
  const { hash } = useLocation();
  const section = useRef<HTMLElement>(null);
  // The guidelines lead here; the page is longer than the browser knew when it looked for the place.
  useEffect(() => {
    if (hash === '#versions') section.current?.scrollIntoView();
  }, [hash]);
  if (versions.length === 0) return null;
  return (
    <section id="versions" ref={section}>
      <Group justify="space-between" mb="xs">
        <Title order={2}>{t('Versions of the guidelines')}</Title>
        <CsvButton slug={slug} name="guideline-versions" title={t('Versions of the guidelines')} />
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Ratings made by each version, among themselves. The effect is on the disagreement, beside the version before that has enough ratings.')}
      </Text>
      <Table.ScrollContainer minWidth={760}>
        <Table aria-label={t('Versions of the guidelines')} verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('Version')}</Table.Th>
              <Table.Th>{t('What changed')}</Table.Th>
              <Table.Th ta="right">{t('Ratings')}</Table.Th>
              <Table.Th>{t('α, nominal')}</Table.Th>
              <Table.Th>{t('Disagreement')}</Table.Th>
              <Table.Th>{t('Effect')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {versions.toReversed().map((version) => (
              <Table.Tr key={version.number}>
                <Table.Td style={{ whiteSpace: 'nowrap' }}>
                  {version.number > 0 ? (
                    <Anchor component={Link} to={`/projects/${slug}/guidelines?version=${version.number}`}>
                      {t('Version {{number}}', { number: version.number })}
                    </Anchor>
                  ) : (
                    t('none read')
                  )}
                  {version.published_at && (
                    <Text size="xs" c="dimmed">
                      {date(version.published_at)}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td maw={280}>
                  <Text size="sm" lineClamp={2}>
                    {version.change_note || '–'}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">
                  <Anchor component={Link} to={ratingsOf(slug, { version: version.number })}>
                    {number(version.n_ratings)}
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  <StatText stat={version.alpha} style="number" />
                </Table.Td>
                <Table.Td>
                  <StatText stat={version.disagreement} />
                </Table.Td>
                <Table.Td>
                  {version.change ? (
                    <Badge variant="light" tt="none" h="auto" py={2} radius="sm" color={EFFECT_COLOURS[version.change.verdict]} c="var(--mantine-color-text)" styles={{ label: { whiteSpace: 'normal' } }}>
                      {effectWords(version.change)}
                    </Badge>
                  ) : (
                    '–'
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
