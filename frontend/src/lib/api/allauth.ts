/** Sign-in, through allauth's headless API for browsers. */

import { t } from '@/lib/i18n';
import { ApiError } from './client';

const base = '/_allauth/browser/v1';

interface Flow {
  id: string;
  is_pending?: boolean;
}

export interface AuthAnswer {
  status: number;
  data?: { flows?: Flow[] } & Record<string, unknown>;
  meta?: { is_authenticated?: boolean } & Record<string, unknown>;
  errors?: { message: string; code: string; param?: string }[];
}

/** Call allauth; a 401 is an answer (which step is pending), not an error. Throws ApiError for what is wrong. */
export async function auth(method: string, path: string, body?: unknown): Promise<AuthAnswer> {
  const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '';
  let response: Response;
  try {
    response = await fetch(base + path, {
      method,
      credentials: 'same-origin',
      headers: { Accept: 'application/json', 'Content-Type': 'application/json', 'X-CSRFToken': token },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, 'offline', t('The server does not answer. Check your connection.'));
  }
  const answer = (await response.json().catch(() => ({ status: response.status }))) as AuthAnswer;
  if (response.status === 429) throw new ApiError(429, 'too_many', t('Too many attempts. Wait a few minutes, then try again.'));
  if (response.status !== 200 && response.status !== 401 && response.status !== 404) {
    const first = answer.errors?.[0];
    throw new ApiError(
      response.status,
      first?.code ?? 'unknown',
      first?.message ?? t('The server refused this.'),
      (answer.errors ?? []).map((error) => ({ field: error.param ?? '', message: error.message })),
    );
  }
  return { ...answer, status: response.status };
}

/** Whether allauth waits for the code of an authenticator app. */
export function needsCode(answer: AuthAnswer): boolean {
  return answer.data?.flows?.some((flow) => flow.id === 'mfa_authenticate' && flow.is_pending) ?? false;
}
