import { Accordion, Alert, Button, Code, FileInput, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { JobProgress } from '@/components/JobProgress';
import { StatText } from '@/components/StatValue';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ExternalEvaluation, RewardModelDetail } from '@/lib/api/types';
import { number, percent } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useMay, useProject } from '@/lib/session';
import { externalReport } from './external';
import { ReportCsv } from './ReportCsv';

const ACCEPTED = '.jsonl,.ndjson';
const EXAMPLE = '{"id": "1", "category": "chat", "prompt": "…", "chosen": "…", "rejected": ["…", "…"]}';

/** How the model does on comparisons from elsewhere, such as RewardBench, by category. */
export function ExternalSets({ model }: { model: RewardModelDetail }) {
  const mayTrain = useMay('train');
  const isTrained = model.artifact_uri !== '';
  if (model.external.length === 0 && !(mayTrain && isTrained)) return null;
  return (
    <section aria-labelledby="external-sets">
      <Title order={2} size="h4" mb="xs" id="external-sets">
        {t('On sets from elsewhere')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Comparisons that your labellers did not make, such as RewardBench: a JSONL file, one comparison a line. With several rejected ones the chosen has to beat all.')}{' '}
        <Code style={{ overflowWrap: 'anywhere' }}>{EXAMPLE}</Code>
      </Text>
      {mayTrain && isTrained && <Upload model={model} />}
      <Stack mt="md">
        {model.external.map((evaluation) => (
          <Evaluation key={evaluation.id} evaluation={evaluation} version={model.version} />
        ))}
      </Stack>
    </section>
  );
}

function Upload({ model }: { model: RewardModelDetail }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [file, setFile] = useState<File | null>(null);
  const [name, setName] = useState('');
  const upload = useMutation({
    mutationFn: (chosen: File) => {
      const form = new FormData();
      form.append('file', chosen);
      form.append('name', name);
      return api.post(`projects/${slug}/reward-models/${model.id}/external`, form);
    },
    onSuccess: async () => {
      setFile(null);
      setName('');
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'reward-models', String(model.id)] });
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (file) upload.mutate(file);
      }}
    >
      {upload.error && (
        <Alert color="red" role="alert" mb="xs">
          {upload.error.message}
        </Alert>
      )}
      <Group align="flex-end">
        <FileInput
          label={t('JSONL file')}
          placeholder={t('Choose a file')}
          accept={ACCEPTED}
          value={file}
          onChange={setFile}
          w={220}
          styles={{ placeholder: { color: 'var(--mantine-color-dimmed)' } }}
        />
        <TextInput label={t('Name')} placeholder={t('that of the file')} maxLength={120} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Button type="submit" variant="default" disabled={!file} loading={upload.isPending}>
          {t('Evaluate')}
        </Button>
      </Group>
    </form>
  );
}

function Evaluation({ evaluation: { name, created_at, job, report }, version }: { evaluation: ExternalEvaluation; version: number }) {
  const found = report && externalReport(report);
  return (
    <article aria-label={name}>
      <Group justify="space-between" mb={4}>
        <Text fw={600}>
          {name}{' '}
          <Text span c="dimmed" fw={400} size="sm">
            <TimeAgo at={created_at} />
          </Text>
        </Text>
        {found && (
          <ReportCsv
            name={`v${version}-${name}`}
            title={name}
            head={['category', 'accuracy', 'low', 'high', 'n']}
            rows={found.categories.map(({ category, accuracy: { value, low, high, n } }) => [category, value, low, high, n])}
          />
        )}
      </Group>
      {!found && job && <JobProgress job={job} />}
      {found && (
        <>
          <Text size="sm" mb="xs">
            {[
              found.byCategory !== null && t('Mean of the categories {{share}}', { share: percent(found.byCategory) }),
              found.byRow !== null && t('of all rows {{share}}', { share: percent(found.byRow) }),
            ]
              .filter(Boolean)
              .join(', ')}
          </Text>
          <Table aria-label={t('Accuracy on {{name}} by category', { name })}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('Category')}</Table.Th>
                <Table.Th>{t('Accuracy')}</Table.Th>
                <Table.Th ta="right">{t('Comparisons')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.categories.map(({ category, accuracy }) => (
                <Table.Tr key={category}>
                  <Table.Td>{category || t('unknown')}</Table.Td>
                  <Table.Td>
                    <StatText stat={accuracy} isStacked />
                  </Table.Td>
                  <Table.Td ta="right">{number(accuracy.n)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          {found.problems.length > 0 && (
            <Accordion variant="contained" mt="xs">
              <Accordion.Item value="problems">
                <Accordion.Control>{t('{{count}} lines were not taken', { count: found.nProblems })}</Accordion.Control>
                <Accordion.Panel>
                  <Table aria-label={t('Lines that were not taken')}>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>{t('Line')}</Table.Th>
                        <Table.Th>{t('Why')}</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {found.problems.map(({ line, message }) => (
                        <Table.Tr key={line}>
                          <Table.Td>{number(line)}</Table.Td>
                          <Table.Td>{message}</Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Accordion.Panel>
              </Accordion.Item>
            </Accordion>
          )}
        </>
      )}
    </article>
  );
}
