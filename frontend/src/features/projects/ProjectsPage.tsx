import { Badge, Button, Card, Group, SimpleGrid, Text, Title } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { Link } from 'react-router';
import { DemoBadge } from '@/components/DemoBadge';
import { PageHeader } from '@/components/PageHeader';
import { PlainLayout } from '@/components/PlainLayout';
import { EmptyState, Loaded } from '@/components/States';
import type { ProjectBrief, Role } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { useMe } from '@/lib/session';
import { inWords } from '@/lib/words';

function ProjectCard({ project, role }: { project: ProjectBrief; role: Role }) {
  return (
    <Card component={Link} to={`/projects/${project.slug}`} withBorder padding="lg" radius="lg" td="none" c="inherit">
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <Title order={2} size="h3">
          {project.name}
        </Title>
        <Group gap={6}>
          {project.is_demo && <DemoBadge />}
          {project.is_archived && (
            <Badge variant="light" color="gray" tt="none">
              {t('archived')}
            </Badge>
          )}
        </Group>
      </Group>
      <Text c="dimmed" size="sm" mt={4}>
        {t('{{axis}} · you are {{role}}', { axis: project.axis, role: inWords(role) })}
      </Text>
    </Card>
  );
}

export function ProjectsPage() {
  const me = useMe();
  return (
    <PlainLayout>
      <Loaded query={{ ...me, data: me.data ?? undefined }}>
        {(user) => {
          const create = user.can_create_projects && (
            <Button component={Link} to="/projects/new" leftSection={<IconPlus size={16} />}>
              {t('New project')}
            </Button>
          );
          return (
            <>
              <PageHeader title={t('Projects')} description={t('What you label, review or train.')} actions={create} />
              {user.memberships.length === 0 ? (
                <EmptyState title={t('No projects yet')} action={create}>
                  {user.can_create_projects
                    ? t('A project asks one question about pairs of completions: which is more helpful, which is safer.')
                    : t('Ask the owner of a project for an invitation.')}
                </EmptyState>
              ) : (
                <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
                  {user.memberships.map(({ project, role }) => (
                    <ProjectCard key={project.slug} project={project} role={role} />
                  ))}
                </SimpleGrid>
              )}
            </>
          );
        }}
      </Loaded>
    </PlainLayout>
  );
}
