import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import '@mantine/dropzone/styles.css';
import '@mantine/charts/styles.css';
import '@/app/styles.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { loadLanguage } from '@/lib/i18n';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
await loadLanguage().catch(() => undefined);
const { App } = await import('@/app/App');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
