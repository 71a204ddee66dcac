import { AppShell, Container } from '@mantine/core';
import type { ReactNode } from 'react';
import { TopBar } from './TopBar';

/** A page outside of any project. */
export function PlainLayout({ children }: { children: ReactNode }) {
  return (
    <AppShell header={{ height: 56 }}>
      <AppShell.Header>
        <TopBar />
      </AppShell.Header>
      <AppShell.Main>
        <Container size="lg" py="xl">
          {children}
        </Container>
      </AppShell.Main>
    </AppShell>
  );
}
