import { CompositeChart } from '@mantine/charts';
import { SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { ChartFrame } from '@/components/charts/ChartFrame';
import type { PolicyEvaluation, PolicyRunDetail, PolicySteps } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { axisTo, stepPoints, thinned, tick, withEvaluations, type StepPoint } from './curve';
import { Legend, type LegendLine } from './Legend';
import classes from './Policies.module.css';

/** Rows of the table behind a chart: enough to read a course from. */
const MOST_ROWS = 50;

interface Line extends LegendLine {
  name: string;
}

interface Props {
  run: PolicyRunDetail;
  steps: PolicySteps;
  evaluations: PolicyEvaluation[];
}

/** The course of training, update by update. */
export function StepCharts({ run, steps, evaluations }: Props) {
  const points = stepPoints(steps);
  const { beta, kl_target, kl_limit, shaping, ensemble, reward } = run.options;
  const isShaped = shaping !== 'none' || ensemble !== 'mean' || reward !== 'rewards';
  if (points.length === 0) {
    return (
      <section aria-labelledby="training">
        <Title order={2} size="h4" mb="xs" id="training">
          {t('Training')}
        </Title>
        <Text c="dimmed">{t('The charts of training begin with its first update.')}</Text>
      </section>
    );
  }
  return (
    <Stack component="section" aria-label={t('Training')} gap="lg">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <StepChart
          title={t('Reward in training')}
          description={t('Mean of the completions of each update. The band is one standard deviation of them to either side.')}
          unit={t('reward')}
          points={points}
          digits={2}
          band="spread"
          lines={[
            { name: 'raw_reward', label: t('reward model'), color: 'var(--line-proxy)' },
            ...(isShaped ? [{ name: 'reward', label: t('as the trainer got it'), color: 'var(--line-gold)', dashes: '8 3' }] : []),
          ]}
        />
        <StepChart
          title={t('KL to the reference')}
          description={[
            t('Estimated (k1) from the completions of each update; exact on the probe set, with the whole vocabulary, at each evaluation. Of whole completions.'),
            kl_target === 0 && t('Its weight, beta, stays {{beta}}.', { beta: tick(beta) }),
          ]
            .filter(Boolean)
            .join(' ')}
          unit={t('nats')}
          points={withEvaluations(points, evaluations, 'exact', ({ kl }) => kl)}
          digits={2}
          lines={[
            { name: 'kl', label: t('estimate'), color: 'var(--line-proxy)' },
            { name: 'exact', label: t('exact'), color: 'var(--line-gold)', isDot: true },
          ]}
          limits={[
            ...(kl_target > 0 ? [{ y: kl_target, label: t('target') }] : []),
            ...(kl_limit > 0 ? [{ y: kl_limit, label: t('limit') }] : []),
          ]}
        />
        <StepChart
          title={t('Entropy')}
          description={t('How open the next token is. Near 0 it always writes the same.')}
          unit={t('nats per token')}
          points={points}
          digits={2}
          lines={[{ name: 'entropy', label: t('entropy'), color: 'var(--line-proxy)' }]}
        />
        <StepChart
          title={t('Length')}
          description={t('Mean of the completions of each update, and of the probe set at each evaluation. Rising with the reward, it may be padding.')}
          unit={t('tokens')}
          points={withEvaluations(points, evaluations, 'evaluated', ({ length }) => length)}
          digits={0}
          lines={[
            { name: 'length', label: t('in training'), color: 'var(--line-proxy)' },
            { name: 'evaluated', label: t('on the probe set'), color: 'var(--line-gold)', isDot: true },
          ]}
        />
        {kl_target > 0 && (
          <StepChart
            title={t('Weight of KL (beta)')}
            description={t('It follows KL, to hold it at its target.')}
            unit={t('reward per nat')}
            points={points}
            digits={3}
            lines={[{ name: 'beta', label: t('beta'), color: 'var(--line-proxy)' }]}
          />
        )}
      </SimpleGrid>
    </Stack>
  );
}

interface ChartProps {
  title: string;
  description: string;
  unit: string;
  points: StepPoint[];
  digits: number;
  lines: Line[];
  /** The column with a range about the first line. */
  band?: string;
  limits?: { y: number; label: string }[];
}

function StepChart({ title, description, unit, points, digits, lines, band, limits = [] }: ChartProps) {
  const last = points.at(-1)?.step ?? 1;
  const show = (value: StepPoint[string] | undefined) => (typeof value === 'number' ? number(value, digits) : '–');
  return (
    <ChartFrame
      title={title}
      description={description}
      chart={
        <div className={classes.lines}>
          {lines.length > 1 && <Legend lines={lines} />}
          <CompositeChart
            h={220}
            data={points}
            dataKey="step"
            curveType="linear"
            connectNulls
            series={[
              ...(band ? [{ name: band, type: 'area' as const, color: lines[0]?.color ?? 'var(--line-proxy)' }] : []),
              ...lines.map(({ name, label, color, dashes }) => ({ name, label, color, type: 'line' as const, strokeDasharray: dashes })),
            ]}
            areaProps={{ fillOpacity: 0.15, strokeWidth: 0, dot: false, activeDot: false, isAnimationActive: false }}
            lineProps={({ name, color }) => {
              const isDot = lines.some((line) => line.name === name && line.isDot);
              return { strokeWidth: isDot ? 0 : 2, dot: isDot ? { r: 4, fill: color, strokeWidth: 0 } : false, activeDot: !isDot, isAnimationActive: false };
            }}
            xAxisLabel={t('update')}
            yAxisLabel={unit}
            xAxisProps={{ type: 'number', ...axisTo(Math.max(last, 6)), tickFormatter: (step: number) => number(step) }}
            yAxisProps={{ domain: ['auto', 'auto'], tickFormatter: tick, width: 64 }}
            referenceLines={limits.map(({ y, label }) => ({ y, label, labelPosition: 'insideTopRight' as const, color: 'var(--chart-mark)', strokeDasharray: '4 3' }))}
            tooltipProps={{
              labelFormatter: (step) => t('update {{step}}', { step: number(Number(step)) }),
            }}
            valueFormatter={(value) => (Array.isArray(value) ? value.map((one) => number(Number(one), digits)).join(' – ') : number(value, digits))}
            composedChartProps={{ accessibilityLayer: false }}
          />
        </div>
      }
      rows={thinned(points, MOST_ROWS)}
      rowKey={({ step }) => step}
      columns={[
        { title: t('update'), align: 'right', text: ({ step }) => number(step) },
        ...lines.map(({ name, label }) => ({ title: `${label} (${unit})`, align: 'right' as const, text: (row: StepPoint) => show(row[name]) })),
      ]}
      empty={t('Not reported.')}
    />
  );
}
