import { ActionIcon, Anchor, Group, Menu, Text, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { IconCheck, IconLogout, IconMoon, IconSun, IconUser } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useNavigate } from 'react-router';
import { auth } from '@/lib/api/allauth';
import { chooseLanguage, language, LANGUAGES, t, type Language } from '@/lib/i18n';
import { useMe } from '@/lib/session';

const languages = Object.entries(LANGUAGES) as [Language, string][];

export function Wordmark() {
  return (
    <Anchor component={Link} to="/" underline="never" c="inherit" aria-label={t('Touchstone, to your projects')}>
      <Group gap={8} wrap="nowrap">
        <svg viewBox="0 0 32 32" width={26} height={26} aria-hidden="true">
          <rect width="32" height="32" rx="8" fill="#0b7285" />
          <path d="M8 22 16 8l8 14z" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinejoin="round" />
          <circle cx="16" cy="18.2" r="2.4" fill="#ffd43b" />
        </svg>
        <Text fw={700} visibleFrom="xs">
          Touchstone
        </Text>
      </Group>
    </Anchor>
  );
}

function SchemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme('light') === 'dark';
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="lg"
      onClick={() => setColorScheme(isDark ? 'light' : 'dark')}
      aria-label={isDark ? t('Use light colours') : t('Use dark colours')}
    >
      {isDark ? <IconSun size={18} /> : <IconMoon size={18} />}
    </ActionIcon>
  );
}

function UserMenu() {
  const me = useMe();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const signOut = async () => {
    await auth('DELETE', '/auth/session');
    queries.clear();
    void navigate('/sign-in');
  };
  if (!me.data) return null;
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <UnstyledButton px="xs" py={6} aria-label={me.data.name || me.data.email}>
          <Group gap={6} wrap="nowrap">
            <IconUser size={18} aria-hidden />
            <Text size="sm" maw={140} truncate visibleFrom="xs">
              {me.data.name || me.data.email}
            </Text>
          </Group>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.data.email}</Menu.Label>
        <Menu.Item component={Link} to="/account" leftSection={<IconUser size={16} />}>
          {t('Account')}
        </Menu.Item>
        <Menu.Label>{t('Language')}</Menu.Label>
        {languages.map(([code, name]) => (
          <Menu.Item
            key={code}
            lang={code}
            leftSection={<IconCheck size={16} opacity={code === language() ? 1 : 0} aria-hidden />}
            aria-current={code === language() || undefined}
            onClick={() => chooseLanguage(code)}
          >
            {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()} leftSection={<IconLogout size={16} />}>
          {t('Sign out')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** The bar on top of every page; `start` goes before the name, `middle` after it. */
export function TopBar({ start, middle }: { start?: ReactNode; middle?: ReactNode }) {
  return (
    <Group h="100%" px="md" justify="space-between" wrap="nowrap">
      <Group gap="sm" wrap="nowrap" style={{ minWidth: 0 }}>
        {start}
        <Wordmark />
        {middle}
      </Group>
      <Group gap={4} wrap="nowrap">
        <SchemeSwitch />
        <UserMenu />
      </Group>
    </Group>
  );
}
