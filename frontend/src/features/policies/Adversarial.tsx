import { Button, Group, Modal, Stack, Switch, Text, Title } from '@mantine/core';
import { IconShieldBolt } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { complain, tell } from '@/components/notify';
import { Loaded } from '@/components/States';
import { api } from '@/lib/api/client';
import type { FooledCount, FooledKept, PolicyRunDetail } from '@/lib/api/types';
import { number } from '@/lib/format';
import { t } from '@/lib/i18n';
import { useProject } from '@/lib/session';
import { isActive } from './words';

/** What the reward model likes and gold or people do not: kept for the next refresh, which learns from it. */
export function Adversarial({ run }: { run: PolicyRunDetail }) {
  const { slug } = useProject();
  const [isOpen, setOpen] = useState(false);
  const path = `projects/${slug}/policy-runs/${run.number}/adversarial`;
  const found = useQuery({
    queryKey: ['projects', slug, 'policy-runs', String(run.number), 'adversarial', run.state],
    queryFn: () => api.get<FooledCount>(path),
    refetchInterval: isActive(run) && 10_000,
  });
  return (
    <section aria-labelledby="fooled">
      <Title order={2} id="fooled" mb="xs">
        {t('What fooled the reward model')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('Completions in the upper half of the gain in reward that gold or people find worse than the reference’s. As adversarial completions of the pool, a refresh has people compare them and the next reward model learns from it.')}
      </Text>
      <Loaded query={found} rows={1}>
        {(count) => (
          <Group>
            <Text aria-live="polite">
              {[
                count.n === 0 ? t('None is known yet.') : t('{{count}} completions', { count: count.n }),
                count.n > 0 && t('{{gold}} by gold, {{people}} by people', { gold: number(count.n_by_gold), people: number(count.n_by_people) }),
                count.n_kept > 0 && t('{{n}} of them are in the pool', { n: count.n_kept }),
              ]
                .filter(Boolean)
                .join(', ')}
            </Text>
            {count.n > count.n_kept && run.can.adversarial && (
              <Button leftSection={<IconShieldBolt size={16} aria-hidden />} onClick={() => setOpen(true)}>
                {t('Use what fooled it')}
              </Button>
            )}
          </Group>
        )}
      </Loaded>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={t('Use what fooled it?')}>
        <Confirm path={path} n={(found.data?.n ?? 0) - (found.data?.n_kept ?? 0)} run={run} close={() => setOpen(false)} />
      </Modal>
    </section>
  );
}

function Confirm({ path, n, run, close }: { path: string; n: number; run: PolicyRunDetail; close: () => void }) {
  const { slug } = useProject();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [startsRefresh, setStartsRefresh] = useState(false);
  const keep = useMutation({
    mutationFn: () => api.post<FooledKept>(path, { start_refresh: startsRefresh }),
    onSuccess: async ({ n_new, refresh }) => {
      tell(t('{{count}} completions are in the pool now, beside the reference’s.', { count: n_new }));
      close();
      await queries.invalidateQueries({ queryKey: ['projects', slug, 'policy-runs', String(run.number)] });
      if (refresh) void navigate(`/projects/${slug}/refreshes/${refresh.id}`);
    },
    onError: complain,
  });
  return (
    <Stack>
      <Text size="sm">{t('{{count}} completions of the policy and the reference’s of the same prompts go into the pool. They stay there.', { count: n })}</Text>
      <Switch
        label={t('and start a refresh')}
        description={t('It asks people about them first, then trains the next reward model.')}
        checked={startsRefresh}
        onChange={({ currentTarget }) => setStartsRefresh(currentTarget.checked)}
      />
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t('Not now')}
        </Button>
        <Button loading={keep.isPending} onClick={() => keep.mutate()}>
          {startsRefresh ? t('Use them and refresh') : t('Use them')}
        </Button>
      </Group>
    </Stack>
  );
}
