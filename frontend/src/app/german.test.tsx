import { render } from '@testing-library/react';
import { beforeAll, expect, it } from 'vitest';
import { Filled } from '@/components/Filled';
import { loadLanguage, t } from '@/lib/i18n';

// As in the browser: the language first, then the modules that speak it.
beforeAll(async () => {
  localStorage.setItem('touchstone:language', 'de');
  await loadLanguage();
});

it('counts in the plural of the language, with its thousands', () => {
  expect(t('{{count}} ratings', { count: 1 })).toBe('1 Bewertung');
  expect(t('{{count}} ratings', { count: 1200 })).toBe('1.200 Bewertungen');
});

it('puts elements where the sentence has them', () => {
  const { container } = render(
    <Filled
      text={t('{{inviter}} invites {{email}} to {{project}} as {{role}}.', { inviter: 'Ann', role: 'Labeler' })}
      email={<strong>bo@example.org</strong>}
      project="Farben"
    />,
  );
  expect(container.innerHTML).toBe('Ann lädt <strong>bo@example.org</strong> zum Projekt Farben ein. Rolle: Labeler.');
});

it('shows what the server sends as codes in words, and unknown codes as they are', async () => {
  const { inWords } = await import('@/lib/words');
  expect([inWords('queued'), inWords('some_new_state')]).toEqual(['wartet', 'some new state']);
});

it('writes numbers and times as the language does', async () => {
  const { clock, date, number, percent, timeAgo } = await import('@/lib/format');
  expect([number(1234567), number(0.5, 3), percent(0.625)]).toEqual(['1.234.567', '0,500', '62,5\u00a0%']);
  expect(date('2026-11-21T12:00:00Z')).toBe('21.11.2026');
  expect(clock('2026-11-21T00:05:09')).toBe('00:05:09');
  expect(timeAgo('2026-11-21T12:00:00Z', Date.parse('2026-11-21T12:03:00Z'))).toBe('vor 3 Minuten');
});
