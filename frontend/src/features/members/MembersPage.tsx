import { ActionIcon, Alert, Button, Code, Group, Menu, Modal, Select, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconDots, IconUserPlus } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { askFirst } from '@/components/confirm';
import { Copy } from '@/components/Copy';
import { StateBadge } from '@/components/JobProgress';
import { complain, tell } from '@/components/notify';
import { PageHeader } from '@/components/PageHeader';
import { PagedTable } from '@/components/PagedTable';
import { EmptyState } from '@/components/States';
import { TimeAgo } from '@/components/TimeAgo';
import { api } from '@/lib/api/client';
import type { Invitation, Member, Role } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { usePages } from '@/lib/pages';
import { useMay, useProject } from '@/lib/session';

const ROLES: { value: Role; label: string }[] = [
  { value: 'labeller', label: 'Labeller – labels' },
  { value: 'reviewer', label: 'Reviewer – also reviews and writes guidelines' },
  { value: 'researcher', label: 'Researcher – also imports and trains' },
  { value: 'owner', label: 'Owner – everything' },
];

export function MembersPage() {
  const { slug } = useProject();
  const mayManage = useMay('manage');
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
  return (
    <Stack gap="xl">
      <div>
        <PageHeader
          title="Members"
          description="Who is in the project and what they may do."
          actions={
            mayManage && (
              <Button leftSection={<IconUserPlus size={16} />} onClick={open}>
                Invite
              </Button>
            )
          }
        />
        <PagedTable
          label="Members"
          query={members}
          rowKey={(member) => member.id}
          empty={<EmptyState title="Nobody yet" />}
          columns={[
            {
              title: 'Name',
              cell: ({ user }) => (
                <>
                  <Text fw={550}>{user.name || user.email}</Text>
                  <Text size="sm" c="dimmed">
                    {user.email ?? `${user.kind} labeller`} · {user.pseudonym}
                  </Text>
                </>
              ),
            },
            {
              title: 'Role',
              cell: (member) =>
                mayManage ? (
                  <Select
                    aria-label={`Role of ${member.user.name || member.user.email}`}
                    data={ROLES.map(({ value, label }) => ({ value, label: label.split(' – ')[0] ?? label }))}
                    value={member.role}
                    allowDeselect={false}
                    w={150}
                    onChange={(role) => role && change.mutate({ id: member.id, role: role as Role })}
                  />
                ) : (
                  member.role
                ),
            },
            { title: 'Since', cell: (member) => <TimeAgo at={member.joined_at} /> },
            {
              title: 'State',
              cell: (member) => <StateBadge state={member.is_active ? 'active' : 'deactivated'} colour={member.is_active ? 'teal' : 'gray'} />,
            },
            ...(mayManage
              ? [
                  {
                    title: '',
                    align: 'right' as const,
                    cell: (member: Member) => (
                      <Menu position="bottom-end">
                        <Menu.Target>
                          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${member.user.name || member.user.email}`}>
                            <IconDots size={18} />
                          </ActionIcon>
                        </Menu.Target>
                        <Menu.Dropdown>
                          {member.is_active ? (
                            <Menu.Item
                              color="red"
                              onClick={() =>
                                askFirst({
                                  title: `Deactivate ${member.user.name}?`,
                                  text: 'They can no longer open the project. Their ratings stay, and you can activate them again.',
                                  confirm: 'Deactivate',
                                  onConfirm: () => change.mutate({ id: member.id, is_active: false }),
                                })
                              }
                            >
                              Deactivate
                            </Menu.Item>
                          ) : (
                            <Menu.Item onClick={() => change.mutate({ id: member.id, is_active: true })}>Activate again</Menu.Item>
                          )}
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
      <Modal opened={isOpen} onClose={close} title="Invite somebody">
        <InviteForm onDone={close} />
      </Modal>
    </Stack>
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
          Send this link to <strong>{invite.data.email}</strong>. It is shown only now; an e-mail with it was sent if the server
          sends e-mails.
        </Text>
        <Group wrap="nowrap" gap="xs">
          <Code block style={{ flex: 1, overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
            {invite.data.url}
          </Code>
          <Copy value={invite.data.url} label="Copy the link" />
        </Group>
        <Button onClick={onDone}>Done</Button>
      </Stack>
    );
  }
  return (
    <form onSubmit={form.onSubmit((values) => invite.mutate(values))}>
      <Stack>
        {problem && <Alert color="red">{problem}</Alert>}
        <TextInput label="E-mail" type="email" required {...form.getInputProps('email')} />
        <Select label="Role" data={ROLES} allowDeselect={false} {...form.getInputProps('role')} />
        <Button type="submit" loading={invite.isPending}>
          Make the link
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
      tell('The link no longer works.');
    },
    onError: complain,
  });
  return (
    <section aria-label="Invitations">
      <Title order={2} mb="sm">
        Invitations
      </Title>
      <PagedTable
        label="Invitations"
        query={invitations}
        rowKey={(invitation) => invitation.id}
        empty={<Text c="dimmed">Nobody has been invited yet.</Text>}
        columns={[
          { title: 'E-mail', cell: (invitation) => invitation.email },
          { title: 'Role', cell: (invitation) => invitation.role },
          { title: 'State', cell: (invitation) => <StateBadge state={invitation.state} colour={invitation.state === 'accepted' ? 'teal' : 'gray'} /> },
          { title: 'Until', cell: (invitation) => new Date(invitation.expires_at).toLocaleDateString('en', { dateStyle: 'medium' }) },
          {
            title: '',
            align: 'right',
            cell: (invitation) =>
              invitation.state === 'pending' && (
                <Button size="xs" variant="subtle" color="red" onClick={() => revoke.mutate(invitation.id)}>
                  Revoke
                </Button>
              ),
          },
        ]}
      />
    </section>
  );
}
