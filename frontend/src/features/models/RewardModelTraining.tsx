import { LineChart } from '@mantine/charts';
import { Anchor, Card, Text } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import { JobProgress } from '@/components/JobProgress';
import type { Job } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { lossIn } from './report';

/** A training that runs or failed: how far it is, and its loss as it comes in. */
export function RewardModelTraining({ job }: { job: Job }) {
  const { slug } = useProject();
  const [points, setPoints] = useState<{ step: number; loss: number }[]>([]);
  const { done, message } = job.progress;
  const loss = lossIn(message);
  const last = points.at(-1);
  // A retried job starts over: what is after its step is of the attempt before.
  if (loss !== null && (last?.step !== done || last.loss !== loss)) {
    setPoints([...points.filter(({ step }) => step < done), { step: done, loss }]);
  }
  return (
    <Card withBorder radius="md">
      <JobProgress job={job} />
      {points.length > 1 && (
        <div aria-hidden>
          <Text size="sm" c="dimmed" mt="sm">
            {t('Loss since this page was opened')}
          </Text>
          <LineChart
            h={180}
            data={points}
            dataKey="step"
            series={[{ name: 'loss', label: t('loss'), color: 'var(--chart-main)' }]}
            withDots={false}
            yAxisProps={{ domain: ['auto', 'auto'], tickFormatter: (value: number) => number(value, 2) }}
            valueFormatter={(value) => number(value, 3)}
            xAxisLabel={t('update')}
            lineChartProps={{ accessibilityLayer: false, isAnimationActive: false } as object}
          />
        </div>
      )}
      <Anchor component={Link} to={`/projects/${slug}/jobs/${job.id}`} size="sm" mt="xs">
        {t('Its job and log')}
      </Anchor>
    </Card>
  );
}
