import { Button, Group, Select, Text } from '@mantine/core';
import { IconPencil } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { GuidelinesText } from '@/components/GuidelinesText';
import { PageHeader } from '@/components/PageHeader';
import { EmptyState, ErrorState, Loading } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import type { GuidelineVersion } from '@/lib/api/types';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

export function GuidelinesPage() {
  const project = useProject();
  const mayWrite = useMay('guidelines');
  const versions = usePages<GuidelineVersion>(['projects', project.slug, 'guidelines'], `projects/${project.slug}/guidelines`);
  const [number, setNumber] = useState<string | null>(null);
  const shown = versions.rows?.find((version) => String(version.number) === number) ?? versions.rows?.[0];
  const edit = mayWrite && (
    <Button component={Link} to={`/projects/${project.slug}/guidelines/edit`} leftSection={<IconPencil size={16} />}>
      {versions.rows?.length ? 'Write a new version' : 'Write the guidelines'}
    </Button>
  );
  return (
    <>
      <PageHeader title="Guidelines" description="What labellers go by. Every rating remembers the version it was made under." actions={edit} />
      {versions.error && <ErrorState error={versions.error} retry={() => void versions.refetch()} />}
      {versions.isPending && <Loading />}
      {versions.rows?.length === 0 && (
        <EmptyState title="No guidelines yet">Labellers agree better when they know what “better” means here.</EmptyState>
      )}
      {shown && (
        <>
          <Group mb="lg">
            {(versions.rows?.length ?? 0) > 1 && (
              <Select
                aria-label="Version"
                data={versions.rows?.map((version) => ({ value: String(version.number), label: `Version ${version.number}` }))}
                value={String(shown.number)}
                onChange={setNumber}
                allowDeselect={false}
                w={150}
              />
            )}
            <Text c="dimmed" size="sm">
              Version {shown.number}
              {shown.author && ` by ${shown.author}`}, <TimeAgo at={shown.published_at} />
              {shown.change_note && `: ${shown.change_note}`}
            </Text>
          </Group>
          <GuidelinesText version={shown} labels={project.intensity_labels} />
        </>
      )}
    </>
  );
}
