import { Alert, Anchor, Badge, Group, Stack, Table, Text, Title, UnstyledButton } from '@mantine/core';
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import type { PlaygroundRewards } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { answering, ranks } from './playground';
import classes from './Playground.module.css';

interface Props {
  rows: PlaygroundRewards[];
  completions: string[];
}

/** A row for each completion, a column for each model that has answered; the others are told of above. */
export function PlaygroundRewardsTable({ rows, completions }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const found = answering(rows);
  const toggle = (name: string) => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  return (
    <section aria-labelledby="playground-rewards">
      <Title order={2} size="h4" mb="sm" id="playground-rewards">
        {t('Rewards')}
      </Title>
      <Stack gap="sm">
        {rows.map(
          ({ model, error }) =>
            error && (
              <Alert key={model.id} color="yellow" title={t('{{model}} has not answered', { model: `${model.project} v${model.version}` })}>
                {error.message}
              </Alert>
            ),
        )}
        {found.length > 0 && (
          <Table.ScrollContainer minWidth={180 + 170 * found.length}>
            <Table aria-labelledby="playground-rewards" verticalSpacing="sm" className={classes.figures}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('Completion')}</Table.Th>
                  {found.map((row) => (
                    <Table.Th key={row.model.id}>
                      <ModelHeading row={row} isOpen={open.has(row.model.name)} onToggle={() => toggle(row.model.name)} />
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {completions.map((text, place) => (
                  <Table.Tr key={place}>
                    <Table.Th scope="row" fw={400} maw={280}>
                      <Text size="sm" fw={500}>
                        {t('Completion {{name}}', { name: place + 1 })}
                      </Text>
                      <Text size="xs" c="dimmed" lineClamp={2} dir="auto" style={{ overflowWrap: 'anywhere' }}>
                        {text}
                      </Text>
                    </Table.Th>
                    {found.map((row) => (
                      <Table.Td key={row.model.id}>
                        <Figures row={row} place={place} areMembersShown={open.has(row.model.name)} />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Stack>
    </section>
  );
}

function ModelHeading({ row, isOpen, onToggle }: { row: PlaygroundRewards; isOpen: boolean; onToggle: () => void }) {
  const { model, version, members } = row;
  const n = members?.[0]?.length ?? 0;
  const Chevron = isOpen ? IconChevronDown : IconChevronRight;
  return (
    <Stack gap={0} align="flex-start">
      <Anchor component={Link} to={`/projects/${model.name}/reward-models/${model.id}`} size="sm" fw={600}>
        {`${model.project} v${version}`}
      </Anchor>
      <Text size="xs" c="dimmed" fw={400}>
        {model.axis}
      </Text>
      {n > 1 && (
        <UnstyledButton
          aria-expanded={isOpen}
          aria-label={t('{{n}} members of {{model}}', { n, model: model.project })}
          onClick={onToggle}
          fz="xs"
          fw={400}
          c="var(--mantine-color-anchor)"
        >
          <Group gap={2} wrap="nowrap" mih={24}>
            <Chevron size={14} aria-hidden />
            {t('{{n}} members', { n })}
          </Group>
        </UnstyledButton>
      )}
    </Stack>
  );
}

function Figures({ row, place, areMembersShown }: { row: PlaygroundRewards; place: number; areMembersShown: boolean }) {
  const rewards = row.rewards ?? [];
  const rank = ranks(rewards)[place];
  const uncertainty = row.uncertainty?.[place];
  const calibrated = row.calibrated?.[place];
  const members = row.members?.[place];
  return (
    <Stack gap={2} className={classes.reward}>
      <Group gap={6}>
        <Text span fw={600}>
          {number(rewards[place], 3)}
          {uncertainty !== undefined && (
            <Text span size="sm" fw={400} c="dimmed">
              {'\u00a0±\u00a0'}
              {number(uncertainty, 2)}
            </Text>
          )}
        </Text>
        {rewards.length > 1 && (
          <Badge variant={rank === 1 ? 'filled' : 'light'} color={rank === 1 ? undefined : 'gray'} c={rank === 1 ? undefined : 'var(--mantine-color-text)'} tt="none" size="sm" miw="max-content">
            {t('rank {{rank}}', { rank: rank ?? '' })}
          </Badge>
        )}
        {row.truncated?.[place] && (
          <Badge variant="light" color="yellow" c="var(--mantine-color-text)" tt="none" size="sm" miw="max-content" title={t('Longer than the model reads: the beginning of the prompt was left out, or the end of a completion that alone is too long.')}>
            {t('cut')}
          </Badge>
        )}
      </Group>
      {calibrated !== undefined && (
        <Text size="xs">{t('calibrated for length: {{reward}}', { reward: number(calibrated, 3) })}</Text>
      )}
      <Text size="xs" c="dimmed">
        {t('{{n}} tokens', { n: number(row.n_tokens?.[place]) })}
      </Text>
      {areMembersShown && members && (
        <Text size="xs" component="ol" m={0} ps="md" aria-label={t('Rewards by the members')}>
          {members.map((reward, member) => (
            <li key={member}>{number(reward, 3)}</li>
          ))}
        </Text>
      )}
    </Stack>
  );
}
