import { Card, Group, Text, TextInput, Title } from '@mantine/core';
import { useState } from 'react';
import { CsvButton } from '@/components/CsvButton';
import { daysAfter } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';

/** Who worked how long in which week, as a file for the payroll. */
export function Timesheet() {
  const { slug } = useProject();
  const [[today]] = useState(() => new Date().toISOString().split('T') as [string]);
  const [from, setFrom] = useState(() => daysAfter(today, -27));
  const [to, setTo] = useState(today);
  const isTurned = from !== '' && to !== '' && from > to;
  return (
    <Card component="section" withBorder radius="lg" padding="lg">
      <Title order={2} mb={4}>
        {t('Timesheets')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm" maw={640}>
        {t('Active time and ratings by labeller and week, with amounts where a pay is set. Labellers are under their pseudonyms, as in every file.')}
      </Text>
      <Group align="flex-end" gap="sm">
        <TextInput type="date" label={t('First day')} value={from} max={to} onChange={(event) => setFrom(event.currentTarget.value)} />
        <TextInput
          type="date"
          label={t('Last day')}
          value={to}
          min={from}
          error={isTurned ? t('Before the first day.') : undefined}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        {!isTurned && <CsvButton slug={slug} name="timesheet" title={t('Timesheets')} query={{ from, to }} />}
      </Group>
    </Card>
  );
}
