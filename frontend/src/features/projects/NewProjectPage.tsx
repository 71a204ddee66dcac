import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { PageHeader } from '@/components/PageHeader';
import { PlainLayout } from '@/components/PlainLayout';
import { api, type Page } from '@/lib/api/client';
import type { Project } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { meKey } from '@/lib/session';
import { DEFAULTS, ProjectForm } from './ProjectForm';

export function NewProjectPage() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const projects = useQuery({ queryKey: ['projects'], queryFn: () => api.get<Page<Project>>('projects', { page_size: 200 }) });
  const owned = projects.data?.results.filter((project) => project.role === 'owner') ?? [];
  const pools = [...new Map(owned.map(({ pool }) => [pool.id, pool])).values()];
  return (
    <PlainLayout>
      <PageHeader title={t('New project')} description={t('You can change everything but the pool later.')} />
      <ProjectForm
        initial={DEFAULTS}
        pools={pools.map((pool) => ({ value: String(pool.id), label: t('Share “{{pool}}”', { pool: pool.name }) }))}
        submitLabel={t('Create the project')}
        onSubmit={async ({ pool_id, ...values }) => {
          const project = await api.post<Project>('projects', { ...values, ...(pool_id ? { pool_id } : {}) });
          await queries.invalidateQueries({ queryKey: meKey });
          void navigate(`/projects/${project.slug}`);
        }}
      />
    </PlainLayout>
  );
}
