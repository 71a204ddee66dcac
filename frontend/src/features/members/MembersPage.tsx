import { ActionIcon, Alert, Anchor, Button, Code, Group, Menu, Modal, Select, Stack, Text, Textarea, TextInput, Title, Tooltip } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconDots, IconUserPlus } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { askFirst } from '@/components/confirm';
import { Copy } from '@/components/Copy';
import { Filled } from '@/components/Filled';
import { StateBadge } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { PagedTable } from '@/components/PagedTable';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Invitation, Member, Role } from '@/lib/api/types';
import { date, percent } from '@/lib/format';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';
import { inWords } from '@/lib/words';

const ROLES: { value: Role; short: string; label: string }[] = [
  { value: 'labeller', short: t('Labeller'), label: t('Labeller – labels') },
  { value: 'reviewer', short: t('Reviewer'), label: t('Reviewer – also reviews and writes guidelines') },
  { value: 'researcher', short: t('Researcher'), label: t('Researcher – also imports and trains') },
  { value: 'owner', short: t('Owner'), label: t('Owner – everything') },
];

const nameOf = ({ user }: Member) => user.name || (user.email ?? '');

export function MembersPage() {
  const { slug } = useProject();
  const mayManage = useMay('manage');
  const mayPause = useMay('adjudicate');
  const queries = useQueryClient();
  const key = ['projects', slug, 'members'];
  const members = usePages<Member>(key, `projects/${slug}/members`);
  const [isOpen, { open, close }] = useDisclosure();
  const change = useMutation({
    mutationFn: ({ id, ...changes }: { id: number; role?: Role; is_active?: boolean }) =>
      api.patch(`projects/${slug}/members/${id}`, changes),
    onSuccess: () => queries.invalidateQueries({ queryKey: key }),
    onError: complain,
  });
  const [pausing, setPausing] = useState<Member | null>(null);
  const resume = useMutation({
    mutationFn: ({ id }: Member) => api.delete(`projects/${slug}/members/${id}/pause`),
    onSuccess: async (_, member) => {
      await queries.invalidateQueries({ queryKey: key });
      tell(t('{{name}} is given work again.', { name: nameOf(member) }));
    },
    onError: complain,
  });
  return (
    <Stack gap="xl">
      <div>
        <PageHeader
          title={t('Members')}
          description={t('Who is in the project and what they may do.')}
          actions={
            mayManage && (
              <Button leftSection={<IconUserPlus size={16} />} onClick={open}>
                {t('Invite')}
              </Button>
            )
          }
        />
        <PagedTable
          label={t('Members')}
          query={members}
          rowKey={(member) => member.id}
          empty={<EmptyState title={t('Nobody yet')} />}
          columns={[
            {
              title: t('Name'),
              cell: ({ user }) => (
                <>
                  <Anchor component={Link} to={`/projects/${slug}/labellers/${user.id}`} fw={550} c="inherit">
                    {user.name || user.email}
                  </Anchor>
                  <Text size="sm" c="dimmed">
                    {user.email ?? t('{{kind}} labeller', { kind: inWords(user.kind) })} · {user.pseudonym}
                  </Text>
                </>
              ),
            },
            {
              title: t('Role'),
              cell: (member) =>
                mayManage ? (
                  <Select
                    aria-label={t('Role of {{name}}', { name: nameOf(member) })}
                    data={ROLES.map(({ value, short }) => ({ value, label: short }))}
                    value={member.role}
                    allowDeselect={false}
                    w={150}
                    onChange={(role) => role && change.mutate({ id: member.id, role: role as Role })}
                  />
                ) : (
                  inWords(member.role)
                ),
            },
            { title: t('Since'), cell: (member) => <TimeAgo at={member.joined_at} /> },
            {
              title: (
                <Tooltip
                  multiline
                  w={320}
                  label={t('Chance that a rating of theirs is of the right answer, estimated from how the ratings of each comparison agree. It starts at 75 % and moves with the ratings; how soon a comparison has enough depends on it.')}
                >
                  {/* A hint that a keyboard has to reach. */}
                  <Text span inherit tabIndex={0} style={{ textDecoration: 'underline dotted' }}>
                    {t('Reliability')}
                  </Text>
                </Tooltip>
              ),
              align: 'right',
              cell: ({ reliability }) => percent(reliability, 0),
            },
            { title: t('State'), cell: (member) => <State member={member} /> },
            ...(mayManage || mayPause
              ? [
                  {
                    title: '',
                    align: 'right' as const,
                    cell: (member: Member) => (mayManage || member.is_active || member.paused_at) && (
                      <Menu position="bottom-end">
                        <Menu.Target>
                          <ActionIcon variant="subtle" color="gray" aria-label={t('Actions for {{name}}', { name: nameOf(member) })}>
                            <IconDots size={18} />
                          </ActionIcon>
                        </Menu.Target>
                        <Menu.Dropdown>
                          {mayPause &&
                            (member.paused_at ? (
                              <Menu.Item onClick={() => resume.mutate(member)}>{t('Let them go on')}</Menu.Item>
                            ) : (
                              member.is_active && <Menu.Item onClick={() => setPausing(member)}>{t('Pause')}</Menu.Item>
                            ))}
                          {mayManage &&
                            (member.is_active ? (
                              <Menu.Item
                                color="red"
                                onClick={() =>
                                  askFirst({
                                    title: t('Deactivate {{name}}?', { name: nameOf(member) }),
                                    text: t('They can no longer open the project. Their ratings stay, and you can activate them again.'),
                                    confirm: t('Deactivate'),
                                    onConfirm: () => change.mutate({ id: member.id, is_active: false }),
                                  })
                                }
                              >
                                {t('Deactivate')}
                              </Menu.Item>
                            ) : (
                              <Menu.Item onClick={() => change.mutate({ id: member.id, is_active: true })}>{t('Activate again')}</Menu.Item>
                            ))}
                        </Menu.Dropdown>
                      </Menu>
                    ),
                  },
                ]
              : []),
          ]}
        />
      </div>
      {mayManage && <Invitations />}
      <Modal opened={isOpen} onClose={close} title={t('Invite somebody')}>
        <InviteForm onDone={close} />
      </Modal>
      <Modal opened={pausing !== null} onClose={() => setPausing(null)} title={pausing && t('Pause {{name}}?', { name: nameOf(pausing) })}>
        {pausing && <PauseForm member={pausing} onDone={() => setPausing(null)} />}
      </Modal>
    </Stack>
  );
}

function State({ member }: { member: Member }) {
  return (
    <>
      <Activity member={member} />
      {member.excluded_at && (
        <>
          <StateBadge state="excluded" colour="red" />
          <Text size="sm" maw={280}>
            {member.exclusion_reason}
          </Text>
          <Text size="sm" c="dimmed">
            <Filled text={t('since {{when}}')} when={<TimeAgo at={member.excluded_at} />} />
          </Text>
        </>
      )}
    </>
  );
}

function Activity({ member }: { member: Member }) {
  if (!member.is_active) return <StateBadge state="deactivated" colour="gray" />;
  if (!member.paused_at) return <StateBadge state="active" colour="teal" />;
  return (
    <>
      <StateBadge state="paused" colour="orange" />
      <Text size="sm" maw={280}>
        {member.pause_reason}
      </Text>
      <Text size="sm" c="dimmed">
        <Filled text={t('since {{when}}')} when={<TimeAgo at={member.paused_at} />} />
      </Text>
    </>
  );
}

function PauseForm({ member, onDone }: { member: Member; onDone: () => void }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [problem, setProblem] = useState('');
  const form = useForm({ initialValues: { reason: '' } });
  const pause = useMutation({
    mutationFn: (values: typeof form.values) => api.post<Member>(`projects/${slug}/members/${member.id}/pause`, values),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'members'] });
      onDone();
    },
    onError: (error) => setProblem(showErrors(form, error)),
  });
  return (
    <form onSubmit={form.onSubmit((values) => pause.mutate(values))}>
      <Stack>
        <Text size="sm">{t('They are given no more work until a reviewer lets them go on. Their ratings stay.')}</Text>
        {problem && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <Textarea label={t('Reason')} description={t('They read it on their screen.')} required maxLength={300} autosize minRows={2} data-autofocus {...form.getInputProps('reason')} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            {t('Cancel')}
          </Button>
          <Button type="submit" color="orange" c="black" loading={pause.isPending}>
            {t('Pause')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function InviteForm({ onDone }: { onDone: () => void }) {
  const { slug } = useProject();
  const queries = useQueryClient();
  const [problem, setProblem] = useState('');
  const form = useForm({ initialValues: { email: '', role: 'labeller' } });
  const invite = useMutation({
    mutationFn: (values: typeof form.values) => api.post<Invitation>(`projects/${slug}/invitations`, values),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['projects', slug, 'invitations'] }),
    onError: (error) => setProblem(showErrors(form, error)),
  });
  if (invite.data?.url) {
    return (
      <Stack>
        <Text>
          <Filled
            text={t('Send this link to {{email}}. It is shown only now; an e-mail with it was sent if the server sends e-mails.')}
            email={<strong>{invite.data.email}</strong>}
          />
        </Text>
        <Group wrap="nowrap" gap="xs">
          <Code block style={{ flex: 1, overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
            {invite.data.url}
          </Code>
          <Copy value={invite.data.url} label={t('Copy the link')} />
        </Group>
        <Button onClick={onDone}>{t('Done')}</Button>
      </Stack>
    );
  }
  return (
    <form onSubmit={form.onSubmit((values) => invite.mutate(values))}>
      <Stack>
        {problem && <Alert color="red">{problem}</Alert>}
        <TextInput label={t('E-mail')} type="email" required {...form.getInputProps('email')} />
        <Select label={t('Role')} data={ROLES.map(({ value, label }) => ({ value, label }))} allowDeselect={false} {...form.getInputProps('role')} />
        <Button type="submit" loading={invite.isPending}>
          {t('Make the link')}
        </Button>
      </Stack>
    </form>
  );
}

function Invitations() {
  const { slug } = useProject();
  const queries = useQueryClient();
  const key = ['projects', slug, 'invitations'];
  const invitations = usePages<Invitation>(key, `projects/${slug}/invitations`);
  const revoke = useMutation({
    mutationFn: (id: number) => api.delete(`projects/${slug}/invitations/${id}`),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: key });
      tell(t('The link no longer works.'));
    },
    onError: complain,
  });
  return (
    <section aria-label={t('Invitations')}>
      <Title order={2} mb="sm">
        {t('Invitations')}
      </Title>
      <PagedTable
        label={t('Invitations')}
        query={invitations}
        rowKey={(invitation) => invitation.id}
        empty={<Text c="dimmed">{t('Nobody has been invited yet.')}</Text>}
        columns={[
          { title: t('E-mail'), cell: (invitation) => invitation.email },
          { title: t('Role'), cell: (invitation) => inWords(invitation.role) },
          { title: t('State'), cell: (invitation) => <StateBadge state={invitation.state} colour={invitation.state === 'accepted' ? 'teal' : 'gray'} /> },
          { title: t('Until'), cell: (invitation) => date(invitation.expires_at) },
          {
            title: '',
            align: 'right',
            cell: (invitation) =>
              invitation.state === 'pending' && (
                <Button size="xs" variant="subtle" color="red" onClick={() => revoke.mutate(invitation.id)}>
                  {t('Revoke')}
                </Button>
              ),
          },
        ]}
      />
    </section>
  );
}
