import { api, ApiError } from '@/lib/api/client';
import type { GuidelineDraft, GuidelineVersion } from '@/lib/api/types';

/** Null where the server says that there is none. */
async function unless<T>(code: string, asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.code === code) return null;
    throw error;
  }
}

export const fetchCurrent = (slug: string) =>
  unless('no_guidelines', api.get<GuidelineVersion>(`projects/${slug}/guidelines/current`));

export const fetchDraft = (slug: string) => unless('no_draft', api.get<GuidelineDraft>(`projects/${slug}/guidelines/draft`));
