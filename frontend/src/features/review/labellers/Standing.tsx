import { Badge, Group, Tooltip } from '@mantine/core';
import { StateBadge } from '@/components/JobProgress';
import type { Finding, LabellerRow } from '@/lib/api/types';
import { t } from '@/lib/i18n';
import { FINDING_COLOURS, findingTitle } from './findings';

/** Whether they are given work, and whether their ratings count. */
export function Standing({ labeller, isActiveShown = true }: { labeller: LabellerRow; isActiveShown?: boolean }) {
  const { paused_at, pause_reason, excluded_at, exclusion_reason, is_active, membership } = labeller;
  return (
    <Group gap={4}>
      {excluded_at && (
        <Tooltip label={exclusion_reason} disabled={!exclusion_reason} multiline maw={320}>
          <span>
            <StateBadge state="excluded" colour="red" />
          </span>
        </Tooltip>
      )}
      {paused_at && (
        <Tooltip label={pause_reason} disabled={!pause_reason} multiline maw={320}>
          <span>
            <StateBadge state="paused" colour="orange" />
          </span>
        </Tooltip>
      )}
      {membership !== null && !is_active && <StateBadge state="deactivated" colour="gray" />}
      {isActiveShown && is_active && !paused_at && !excluded_at && <StateBadge state="active" colour="teal" />}
    </Group>
  );
}

export function Findings({ findings }: { findings: Finding[] }) {
  if (findings.length === 0) return null;
  return (
    <Group gap={4} component="ul" m={0} p={0} style={{ listStyle: 'none' }} aria-label={t('What stands out')}>
      {findings.map((finding) => (
        <Badge
          key={`${finding.code}:${finding.version ?? ''}`}
          component="li"
          variant="light"
          color={FINDING_COLOURS[finding.code]}
          c="var(--mantine-color-text)"
          tt="none"
          fw={500}
          h="auto"
          py={2}
          radius="sm"
          styles={{ root: { justifyContent: 'flex-start' }, label: { whiteSpace: 'normal', textAlign: 'start' } }}
        >
          {findingTitle(finding)}
        </Badge>
      ))}
    </Group>
  );
}
