import { AppShell, Burger, Container, Group, NavLink, ScrollArea, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconArrowsSplit2, IconBook2, IconChartDots3, IconDatabase, IconFileAnalytics, IconFileImport, IconFlask, IconFocusCentered, IconGauge, IconHistory,
  IconListCheck, IconListNumbers, IconPencilCheck, IconRefresh, IconRobot, IconScale, IconSchool, IconSettings, IconSparkles, IconStack2, IconTargetArrow,
  IconTrendingUp, IconUserSearch, IconUsers, IconWaveSine, type Icon,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Suspense } from 'react';
import { Link, Outlet, useLocation, useParams } from 'react-router';
import { DemoBadge } from '@/components/DemoBadge';
import { UnreadMessages } from '@/components/Messages';
import { Loaded, Loading } from '@/components/States';
import { TopBar } from '@/components/TopBar';
import { api } from '@/lib/api/client';
import type { Capability, Project } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { ProjectContext, projectKey } from '@/lib/session';

interface Section {
  path: string;
  label: string;
  icon: Icon;
  needs: Capability;
}

interface SectionGroup {
  /** Empty for what stands alone at the top. */
  name: string;
  sections: Section[];
}

const GROUPS: SectionGroup[] = [
  { name: '', sections: [{ path: '', label: t('Overview'), icon: IconGauge, needs: 'label' }] },
  {
    name: t('Labelling'),
    sections: [
      { path: 'label', label: t('Label'), icon: IconPencilCheck, needs: 'label' },
      // Only where the project ranks.
      { path: 'rank', label: t('Ranking'), icon: IconListNumbers, needs: 'label' },
      { path: 'my-ratings', label: t('My ratings'), icon: IconListCheck, needs: 'label' },
      { path: 'guidelines', label: t('Guidelines'), icon: IconBook2, needs: 'label' },
    ],
  },
  {
    name: t('Data'),
    sections: [
      { path: 'prompts', label: t('Prompts'), icon: IconDatabase, needs: 'review' },
      { path: 'imports', label: t('Imports'), icon: IconFileImport, needs: 'import' },
      { path: 'generations', label: t('Generations'), icon: IconSparkles, needs: 'review' },
      { path: 'comparisons', label: t('Comparisons'), icon: IconScale, needs: 'review' },
    ],
  },
  {
    name: t('Quality'),
    sections: [
      { path: 'agreement', label: t('Agreement'), icon: IconChartDots3, needs: 'review' },
      { path: 'labellers', label: t('Labellers'), icon: IconUserSearch, needs: 'review' },
      { path: 'disagreements', label: t('Disagreements'), icon: IconArrowsSplit2, needs: 'review' },
      { path: 'judges', label: t('AI labellers'), icon: IconRobot, needs: 'review' },
    ],
  },
  {
    name: t('Models'),
    sections: [
      { path: 'refreshes', label: t('Refresh'), icon: IconRefresh, needs: 'review' },
      { path: 'reward-models', label: t('Reward models'), icon: IconTargetArrow, needs: 'review' },
      { path: 'sft-runs', label: t('Fine-tuning'), icon: IconSchool, needs: 'review' },
      { path: 'policy-runs', label: t('Policy runs'), icon: IconTrendingUp, needs: 'review' },
      { path: 'drift', label: t('Drift'), icon: IconWaveSine, needs: 'review' },
      { path: 'sampling-rounds', label: t('Sampling'), icon: IconFocusCentered, needs: 'review' },
      { path: 'playground', label: t('Playground'), icon: IconFlask, needs: 'review' },
      { path: 'bulk-scorings', label: t('Score a file'), icon: IconFileAnalytics, needs: 'review' },
    ],
  },
  {
    name: t('Project'),
    sections: [
      { path: 'jobs', label: t('Jobs'), icon: IconStack2, needs: 'review' },
      { path: 'members', label: t('Members'), icon: IconUsers, needs: 'review' },
      { path: 'audit', label: t('Audit'), icon: IconHistory, needs: 'review' },
      { path: 'settings', label: t('Settings'), icon: IconSettings, needs: 'manage' },
    ],
  },
];

/** Navigation of a project by what the caller may do, and the page beside it. */
export function ProjectLayout() {
  const { slug = '' } = useParams();
  const [isOpen, { toggle, close }] = useDisclosure();
  const { pathname, search } = useLocation();
  const project = useQuery({ queryKey: projectKey(slug), queryFn: () => api.get<Project>(`projects/${slug}`) });
  // A comparison that is reached from the queue belongs to the queue.
  const place = new URLSearchParams(search).has('queue') ? `/projects/${slug}/disagreements` : pathname;
  const isLabelling = /\/(label|rank)$/.test(pathname);
  const isOffered = ({ path, needs }: Section) =>
    project.data?.capabilities.includes(needs) && (path !== 'rank' || project.data.ranking_size !== null);

  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !isOpen, desktop: isLabelling } }}
      padding={isLabelling ? 0 : 'md'}
    >
      <a href="#page" className="skip-link">
        {t('Skip to the page')}
      </a>
      <AppShell.Header>
        <TopBar
          start={
            <Burger
              opened={isOpen}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={isOpen ? t('Close navigation') : t('Open navigation')}
            />
          }
          middle={
            project.data && (
              <Group gap={8} wrap="nowrap" style={{ minWidth: 0 }}>
                <Text c="dimmed" aria-hidden>
                  /
                </Text>
                <Text component={Link} to={`/projects/${slug}`} fw={600} truncate c="inherit" td="none">
                  {project.data.name}
                </Text>
                {project.data.is_demo && <DemoBadge />}
              </Group>
            )
          }
        />
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <ScrollArea component="nav" aria-label={t('Project')}>
          {GROUPS.map(({ name, sections }) => {
            const offered = sections.filter(isOffered);
            return (
              offered.length > 0 && (
                <div key={name} role="group" aria-label={name || undefined}>
                  {name && (
                    <Text size="xs" c="dimmed" px="sm" pt="xs" pb={2} aria-hidden>
                      {name}
                    </Text>
                  )}
                  {offered.map(({ path, label, icon: SectionIcon }) => {
                    const to = `/projects/${slug}${path && `/${path}`}`;
                    return (
                      <NavLink
                        key={path}
                        component={Link}
                        to={to}
                        label={label}
                        leftSection={<SectionIcon size={18} stroke={1.7} aria-hidden />}
                        active={path ? place === to || place.startsWith(`${to}/`) : place === to}
                        onClick={close}
                        py={5}
                        style={{ borderRadius: 'var(--mantine-radius-md)' }}
                      />
                    );
                  })}
                </div>
              )
            );
          })}
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="page">
        <Loaded query={project}>
          {(found) => (
            <ProjectContext value={found}>
              <Suspense fallback={<Loading />}>
                {isLabelling ? (
                  <Outlet />
                ) : (
                  <Container size="xl" py="sm" px={0}>
                    <UnreadMessages />
                    <Outlet />
                  </Container>
                )}
              </Suspense>
            </ProjectContext>
          )}
        </Loaded>
      </AppShell.Main>
    </AppShell>
  );
}
