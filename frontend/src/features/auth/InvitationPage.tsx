import { Alert, Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { Filled } from '@/components/Filled';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { ProjectBrief, PublicInvitation } from '@/lib/api/types';
import { showErrors } from '@/lib/formErrors';
import { t } from '@/lib/i18n';
import { meKey, useMe } from '@/lib/session';
import { inWords } from '@/lib/words';
import { DoorCard } from './DoorCard';

export function InvitationPage() {
  const { token = '' } = useParams();
  const invitation = useQuery({
    queryKey: ['invitation', token],
    queryFn: () => api.get<PublicInvitation>(`invitations/${token}`),
  });
  return (
    <DoorCard title={t('You are invited')}>
      <Loaded query={invitation} rows={2}>
        {(found) => <Accept invitation={found} token={token} />}
      </Loaded>
    </DoorCard>
  );
}

function Accept({ invitation, token }: { invitation: PublicInvitation; token: string }) {
  const me = useMe();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [problem, setProblem] = useState('');
  const form = useForm({ initialValues: { name: '', password: '' } });
  const accept = useMutation({
    mutationFn: (body: { name?: string; password?: string }) =>
      api.post<{ project: ProjectBrief }>(`invitations/${token}/accept`, body),
    onSuccess: async ({ project }) => {
      await queries.resetQueries({ queryKey: meKey });
      void navigate(`/projects/${project.slug}`);
    },
    onError: (error) => setProblem(showErrors(form, error)),
  });
  const isSignedIn = Boolean(me.data);
  return (
    <Stack>
      <Text>
        <Filled
          text={t('{{inviter}} invites {{email}} to {{project}} as {{role}}.', {
            inviter: invitation.inviter || t('A project owner'),
            role: inWords(invitation.role),
          })}
          email={<strong>{invitation.email}</strong>}
          project={<strong>{invitation.project_name}</strong>}
        />
      </Text>
      {problem && <Alert color="red">{problem}</Alert>}
      {isSignedIn ? (
        <Button loading={accept.isPending} onClick={() => accept.mutate({})}>
          {t('Accept as {{email}}', { email: me.data?.email ?? '' })}
        </Button>
      ) : invitation.needs_account ? (
        <form onSubmit={form.onSubmit((values) => accept.mutate(values))}>
          <Stack>
            <TextInput label={t('Your name')} autoComplete="name" required {...form.getInputProps('name')} />
            <PasswordInput
              label={t('Choose a password')}
              description={t('At least ten characters')}
              autoComplete="new-password"
              required
              {...form.getInputProps('password')}
            />
            <Button type="submit" loading={accept.isPending}>
              {t('Make my account')}
            </Button>
          </Stack>
        </form>
      ) : (
        <Button component={Link} to={`/sign-in?next=/invitations/${token}`}>
          {t('Sign in to accept')}
        </Button>
      )}
    </Stack>
  );
}
