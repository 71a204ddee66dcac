import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = 'http://127.0.0.1:8000';

export default defineConfig({
  base: '/static/app/',
  plugins: [react()],
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  build: { outDir: 'dist', chunkSizeWarningLimit: 900 },
  server: { proxy: Object.fromEntries(['/api', '/_allauth', '/healthz'].map((path) => [path, server])) },
  test: { environment: 'jsdom', setupFiles: ['src/test-setup.ts'], restoreMocks: true },
});
