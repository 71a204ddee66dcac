import { Tabs, Title } from '@mantine/core';
import { ChartFrame } from '@/components/charts/ChartFrame';
import { rangeOf } from '@/components/StatValue';
import type { RewardModelDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { AccuracyBars } from './AccuracyBars';
import { ReportCsv } from './ReportCsv';
import { bucketText, slices, type Slice, type SliceGroup } from './report';

const HEAD = ['bucket', 'accuracy', 'low', 'high', 'n', 'predicted', 'log_loss'];
const csvRow = ({ bucket, accuracy: { value, low, high, n }, predicted, log_loss }: Slice) => [bucket, value, low, high, n, predicted, log_loss];

/** Accuracy by kinds of comparisons, a tab for each way to tell them apart. */
export function RewardModelSlices({ model }: { model: RewardModelDetail }) {
  const groups = slices(model.report);
  const first = groups[0];
  if (!first) return null;
  return (
    <section>
      <Title order={2} size="h4" mb="xs">
        {t('Where it is good, and where not')}
      </Title>
      <Tabs defaultValue={first.name} keepMounted={false} variant="outline">
        <Tabs.List mb="sm" aria-label={t('Accuracy by')}>
          {groups.map(({ name, tab }) => (
            <Tabs.Tab key={name} value={name}>
              {tab}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {groups.map((group) => (
          <Tabs.Panel key={group.name} value={group.name}>
            <SliceFrame group={group} version={model.version} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
}

function SliceFrame({ group: { name, title, heading, rows }, version }: { group: SliceGroup; version: number }) {
  const { intensity_labels } = useProject();
  const label = (row: Slice) => bucketText(row.bucket, name, intensity_labels);
  const isPredicted = rows.some(({ predicted }) => predicted !== null);
  return (
    <ChartFrame
      title={title}
      actions={<ReportCsv name={`v${version}-${name}`} title={title} head={HEAD} rows={rows.map(csvRow)} />}
      chart={<AccuracyBars rows={rows.map((row) => ({ label: t('{{label}}, n = {{n}}', { label: label(row), n: number(row.accuracy.n) }), stat: row.accuracy, isModel: true }))} />}
      rows={rows}
      rowKey={({ bucket }) => bucket}
      columns={[
        { title: heading, text: label },
        { title: t('Accuracy'), align: 'right', text: ({ accuracy }) => percent(accuracy.value) },
        { title: t('95 % interval'), align: 'right', text: ({ accuracy }) => rangeOf(accuracy) || '–' },
        { title: t('Comparisons'), align: 'right', text: ({ accuracy }) => number(accuracy.n) },
        ...(isPredicted
          ? [
              { title: t('Predicted'), align: 'right' as const, text: ({ predicted }: Slice) => percent(predicted) },
              { title: t('Log-loss'), align: 'right' as const, text: ({ log_loss }: Slice) => number(log_loss, 3) },
            ]
          : []),
      ]}
      empty={t('Nothing to tell apart.')}
    />
  );
}
