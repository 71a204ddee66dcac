/** Requests to the server: JSON in, JSON or a typed refusal out. */

import { t } from '@/lib/i18n';

export interface FieldError {
  field: string;
  message: string;
}

/** A refusal of the server (problem+json), or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: FieldError[] = [],
    /** What the refusal says besides, for programs. */
    readonly extra: Record<string, unknown> = {},
  ) {
    super(detail);
  }
}

export interface Page<T> {
  next: string | null;
  previous: string | null;
  results: T[];
}

type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  /** Meant for whoever is signed in now: the question who that is. */
  isForAnybody?: boolean;
}

let acting: number | null = null;

/**
 * Say whose page this is; null: nobody's. Tabs share one cookie, so somebody else may sign in beside this page. Requests
 * name the one they are made for, and the server refuses them (401 `other_user`) once the cookie is another's.
 */
export function actAs(userId: number | null): void {
  acting = userId;
}

export function isActingAs(userId: number): boolean {
  return acting === userId;
}

function csrfToken(): string {
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? '';
}

/** `path` with what is asked for; what is empty is left out. */
export function withQuery(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

function refusal(status: number, body: unknown): ApiError {
  const extra = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const problem = extra as Partial<ApiError> & { title?: string };
  const fallback = status >= 500 ? t('The server had a fault. Try again; if it stays, tell your administrator.') : t('Refused.');
  return new ApiError(status, problem.code ?? 'unknown', problem.detail ?? problem.title ?? fallback, problem.errors ?? [], extra);
}

/** Send a request and parse the answer. Throws ApiError. */
export async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const isForm = options.body instanceof FormData;
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (acting !== null && !options.isForAnybody) headers['X-Expected-User'] = String(acting);
  if (method !== 'GET') headers['X-CSRFToken'] = csrfToken();
  if (options.body !== undefined && !isForm) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      body: isForm ? (options.body as FormData) : options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'offline', t('The server does not answer. Check your connection; nothing is lost.'));
  }
  const isJson = response.headers.get('Content-Type')?.includes('json') ?? false;
  const body: unknown = isJson ? await response.json() : null;
  if (!response.ok) throw refusal(response.status, body);
  return body as T;
}

const base = '/api/v1/';

export const api = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => request<T>('GET', base + path, { query, signal }),
  post: <T>(path: string, body: unknown = {}) => request<T>('POST', base + path, { body }),
  put: <T>(path: string, body: unknown) => request<T>('PUT', base + path, { body }),
  patch: <T>(path: string, body: unknown) => request<T>('PATCH', base + path, { body }),
  delete: (path: string) => request<null>('DELETE', base + path),
};

/** The cursor in a page's `next` or `previous` link. */
export function cursorOf(link: string | null): string | null {
  return link ? new URL(link, window.location.origin).searchParams.get('cursor') : null;
}
