import { AreaChart, LineChart, ScatterChart } from '@mantine/charts';
import { SimpleGrid } from '@mantine/core';
import { ChartFrame } from '@/components/charts/ChartFrame';
import type { RewardModelDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { calibration, calibrationError, evaluations, numberAt, rewardHistogram } from './report';
import { ReportCsv } from './ReportCsv';

/** Calibration, rewards and the course of training. */
export function RewardModelCharts({ model }: { model: RewardModelDetail }) {
  const { report, version } = model;
  const curve = evaluations(report);
  const bins = calibration(report);
  const histogram = rewardHistogram(report);
  if (bins.length < 2 && histogram.length === 0 && curve.length < 2) return null;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      {bins.length > 1 && <Reliability model={model} />}
      {histogram.length > 0 && (
        <ChartFrame
          title={t('Rewards of chosen and rejected completions')}
          description={t('The further apart, the surer it is. Only differences within a prompt mean something.')}
          actions={
            <ReportCsv
              name={`v${version}-rewards`}
              title={t('Rewards of chosen and rejected completions')}
              head={['reward', 'chosen', 'rejected']}
              rows={histogram.map(({ reward, chosen, rejected }) => [reward, chosen, rejected])}
            />
          }
          chart={
            <AreaChart
              h={240}
              data={histogram}
              dataKey="reward"
              withLegend
              withDots={false}
              curveType="step"
              series={[
                { name: 'chosen', label: t('chosen'), color: 'var(--chart-main)' },
                { name: 'rejected', label: t('rejected'), color: 'var(--chart-second)' },
              ]}
              xAxisProps={{ tickFormatter: (value: number) => number(value, 1), minTickGap: 16 }}
              valueFormatter={(value) => percent(value)}
              tooltipProps={{ labelFormatter: (value) => number(Number(value), 2) }}
              areaChartProps={{ accessibilityLayer: false }}
            />
          }
          rows={histogram}
          rowKey={({ reward }) => reward}
          columns={[
            { title: t('Reward'), align: 'right', text: ({ reward }) => number(reward, 2) },
            { title: t('chosen'), align: 'right', text: ({ chosen }) => percent(chosen) },
            { title: t('rejected'), align: 'right', text: ({ rejected }) => percent(rejected) },
          ]}
          empty={t('Not reported.')}
        />
      )}
      {curve.length > 1 && (
        <ChartFrame
          title={t('Validation loss in training')}
          chart={
            <LineChart
              h={240}
              data={curve}
              dataKey="step"
              series={[{ name: 'loss', label: t('loss'), color: 'var(--chart-main)' }]}
              withDots
              yAxisProps={{ domain: ['auto', 'auto'], tickFormatter: (value: number) => number(value, 2) }}
              valueFormatter={(value) => number(value, 3)}
              xAxisLabel={t('update')}
              lineChartProps={{ accessibilityLayer: false }}
            />
          }
          rows={curve}
          rowKey={({ step }) => step}
          columns={[
            { title: t('update'), align: 'right', text: ({ step }) => number(step) },
            { title: t('loss'), align: 'right', text: ({ loss }) => number(loss, 3) },
            { title: t('Accuracy'), align: 'right', text: ({ accuracy }) => (Number.isNaN(accuracy) ? '–' : percent(accuracy)) },
          ]}
          empty={t('Not reported.')}
        />
      )}
    </SimpleGrid>
  );
}

function Reliability({ model: { report, version } }: { model: RewardModelDetail }) {
  const bins = calibration(report);
  const error = calibrationError(report);
  const brier = numberAt(report, 'brier') ?? numberAt(report, 'brier', 'value');
  const title = t('Calibration');
  const range = error?.low != null && error.high !== null ? ` (${t('{{low}} to {{high}}', { low: number(error.low, 3), high: number(error.high, 3) })})` : '';
  return (
    <ChartFrame
      title={title}
      description={[
        t('How sure it is that a is better, and how often the labellers said so. On the line, the two are the same.'),
        error && t('Expected calibration error {{error}}.', { error: `${number(error.value, 3)}${range}` }),
        brier !== null && t('Brier score {{score}}; 0.25 knows nothing.', { score: number(brier, 3) }),
      ]
        .filter(Boolean)
        .join(' ')}
      actions={
        <ReportCsv
          name={`v${version}-calibration`}
          title={title}
          head={['predicted', 'observed', 'n']}
          rows={bins.map(({ predicted, observed, n }) => [predicted, observed, n])}
        />
      }
      chart={
        <ScatterChart
          h={240}
          data={[{ name: 'bins', color: 'var(--chart-main)', data: bins.map(({ predicted, observed }) => ({ predicted, observed })) }]}
          dataKey={{ x: 'predicted', y: 'observed' }}
          xAxisLabel={t('predicted')}
          yAxisLabel={t('observed')}
          xAxisProps={{ domain: [0, 1] }}
          yAxisProps={{ domain: [0, 1] }}
          valueFormatter={(value) => number(value, 2)}
          scatterChartProps={{ accessibilityLayer: false }}
          referenceLines={[{ segment: [{ x: 0, y: 0 }, { x: 1, y: 1 }], color: 'var(--chart-mark)', label: '' }]}
        />
      }
      rows={bins}
      rowKey={({ predicted }) => predicted}
      columns={[
        { title: t('predicted'), align: 'right', text: ({ predicted }) => percent(predicted) },
        { title: t('observed'), align: 'right', text: ({ observed }) => percent(observed) },
        { title: t('Comparisons'), align: 'right', text: ({ n }) => number(n) },
      ]}
      empty={t('Not reported.')}
    />
  );
}
