import { Alert, Anchor, Button, Card, Code, Group, Select, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { Dropzone } from '@mantine/dropzone';
import { IconFileUpload } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { StateBadge } from '@/components/JobProgress';
import { PagedTable } from '@/components/PagedTable';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { ImportRun } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useProject } from '@/lib/session';
import { FORMATS, SOURCE_KINDS } from './formats';

export function ImportsPage() {
  const { slug } = useProject();
  const imports = usePages<ImportRun>(['projects', slug, 'imports'], `projects/${slug}/imports`);
  return (
    <>
      <PageHeader
        title={t('Imports')}
        description={t('Bring prompts, completions and ratings. Importing the same file twice adds nothing; bad rows are reported and the good ones go in.')}
      />
      <UploadCard />
      <Title order={2} mt="xl" mb="sm">
        {t('Earlier imports')}
      </Title>
      <PagedTable
        label={t('Imports')}
        query={imports}
        rowKey={(row) => row.id}
        empty={<EmptyState title={t('Nothing imported yet')} />}
        columns={[
          {
            title: t('File'),
            cell: (row) => (
              <Anchor component={Link} to={`/projects/${slug}/imports/${row.id}`}>
                {row.filename}
              </Anchor>
            ),
          },
          { title: t('State'), cell: (row) => <StateBadge state={row.job.state} /> },
          { title: t('Comparisons'), align: 'right', cell: (row) => number(row.counts.comparisons ?? 0) },
          { title: t('Ratings'), align: 'right', cell: (row) => number(row.counts.ratings ?? 0) },
          { title: t('Bad rows'), align: 'right', cell: (row) => number(row.counts.bad_rows ?? 0) },
          { title: t('When'), cell: (row) => <TimeAgo at={row.created_at} /> },
        ]}
      />
    </>
  );
}

function UploadCard() {
  const { slug } = useProject();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [file, setFile] = useState<File | null>(null);
  const [format, setFormat] = useState<string>('auto');
  const [sourceName, setSourceName] = useState('');
  const [sourceKind, setSourceKind] = useState('external');
  const upload = useMutation({
    mutationFn: (chosen: File) => {
      const body = new FormData();
      body.append('file', chosen);
      body.append('format', format);
      body.append('source_name', sourceName);
      body.append('source_kind', sourceKind);
      return api.post<ImportRun>(`projects/${slug}/imports`, body);
    },
    onSuccess: async (run) => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'imports'] });
      void navigate(`/projects/${slug}/imports/${run.id}`);
    },
  });
  const sample = FORMATS.find((each) => each.value === format)?.sample;
  return (
    <Card withBorder radius="lg" padding="lg">
      <Stack>
        {upload.error && (
          <Alert color="red" role="alert">
            {upload.error.message}
          </Alert>
        )}
        <Dropzone onDrop={(files) => setFile(files[0] ?? null)} multiple={false} loading={upload.isPending} inputProps={{ 'aria-label': t('File to import') }}>
          <Group justify="center" gap="md" mih={96} style={{ pointerEvents: 'none' }}>
            <IconFileUpload size={32} stroke={1.5} aria-hidden />
            <div>
              <Text fw={550}>{file ? file.name : t('Drop a file here, or press to choose one')}</Text>
              <Text size="sm" c="dimmed">
                {file ? `${number(Math.ceil(file.size / 1024))} KiB` : t('JSONL (also .gz), CSV or Parquet')}
              </Text>
            </div>
          </Group>
        </Dropzone>
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <Select label={t('Format')} data={FORMATS.map(({ value, label }) => ({ value, label }))} value={format} onChange={(value) => setFormat(value ?? 'auto')} allowDeselect={false} />
          <TextInput label={t('Source name')} description={t('For rows that name none')} placeholder={t('model-1')} value={sourceName} onChange={(event) => setSourceName(event.currentTarget.value)} />
          <Select label={t('Source kind')} description={t('Who wrote the completions')} data={SOURCE_KINDS} value={sourceKind} onChange={(value) => setSourceKind(value ?? 'external')} allowDeselect={false} />
        </SimpleGrid>
        {sample && (
          <div>
            <Text size="sm" c="dimmed" mb={4}>
              {t('A row looks like this (on one line):')}
            </Text>
            <Code block>{sample}</Code>
          </div>
        )}
        <Button w="fit-content" disabled={!file} loading={upload.isPending} onClick={() => file && upload.mutate(file)}>
          {t('Import')}
        </Button>
      </Stack>
    </Card>
  );
}
