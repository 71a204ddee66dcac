import { Anchor, Button, Group, Select, Stack, Text } from '@mantine/core';
import { Link, useSearchParams } from 'react-router';
import { CsvButton } from '@/components/CsvButton';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import type { DisagreementRow } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { inShort, reasonInWords, REASONS } from './reasons';
import { stepOf, useBeginWalk } from './walk';

/** What a reviewer's time is best spent on: comparisons by what their settling is worth, with the reasons. */
export function DisagreementsPage() {
  const { slug } = useProject();
  const [query, setQuery] = useSearchParams();
  const reason = REASONS.find(({ value }) => value === query.get('reason'))?.value ?? '';
  const rows = usePages<DisagreementRow>(['projects', slug, 'disagreements'], `projects/${slug}/disagreements`, { reason });
  const beginWalk = useBeginWalk(reason);
  const begin = () => beginWalk((rows.rows ?? []).map(({ comparison }) => comparison));
  const [first] = rows.rows ?? [];
  return (
    <>
      <PageHeader
        title={t('Disagreements')}
        description={t('Open comparisons by what it is worth to look at them, most first. What you settle here teaches most.')}
        actions={
          <>
            <CsvButton slug={slug} name="disagreements" title={t('Disagreements')} query={{ reason }} />
            {first && (
              <Button component={Link} to={stepOf(slug, first.comparison, reason)} onClick={begin}>
                {t('Go through them')}
              </Button>
            )}
          </>
        }
      />
      <Group mb="md">
        <Select
          label={t('Reason')}
          placeholder={t('All reasons')}
          data={REASONS}
          value={reason || null}
          clearable
          clearButtonProps={{ 'aria-label': t('All reasons') }}
          onChange={(value) => setQuery(value ? { reason: value } : {}, { replace: true })}
          w={300}
        />
      </Group>
      <PagedTable
        label={t('Disagreements')}
        query={rows}
        rowKey={(row) => row.comparison}
        empty={
          <EmptyState
            title={reason ? t('Nothing for this reason') : t('Nothing to settle')}
            action={
              reason && (
                <Button variant="default" onClick={() => setQuery({}, { replace: true })}>
                  {t('Show all')}
                </Button>
              )
            }
          >
            {t('Comparisons come here when labellers split, when they flag one, and when the reward model and they see it differently.')}
          </EmptyState>
        }
        columns={[
          {
            title: t('Prompt'),
            cell: (row) => (
              <Anchor component={Link} to={stepOf(slug, row.comparison, reason)} onClick={begin} lineClamp={2} maw={420} dir="auto">
                {row.prompt_excerpt || t('Comparison {{id}}', { id: row.comparison })}
              </Anchor>
            ),
          },
          {
            title: t('Why'),
            cell: (row) => (
              <Stack gap={2}>
                {row.reasons.map((one) => (
                  <Text key={one} size="sm">
                    {reasonInWords(one, row)}
                  </Text>
                ))}
              </Stack>
            ),
          },
          {
            title: t('A · B · tie'),
            align: 'right',
            cell: (row) => (
              <Text span style={{ fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' }}>
                {row.n_a} · {row.n_b} · {row.n_ties}
              </Text>
            ),
          },
          {
            title: t('All ratings together'),
            cell: ({ answer }) =>
              answer ? (
                <Text span size="sm" style={{ fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' }}>
                  {inShort(answer)}
                </Text>
              ) : (
                '–'
              ),
          },
        ]}
      />
    </>
  );
}
