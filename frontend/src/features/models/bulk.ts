/** The form that starts the scoring of a file, as the API takes it. */

export type Source = 'file' | 'set' | 'url';

export interface BulkForm {
  source: Source;
  file: File | null;
  url: string;
  /** Id of a comparison set. */
  set: string | null;
  version: string | null;
  rowsPerShard: number;
  maxBadPercent: number;
}

/** The request; null while there is nothing to score, or nothing to score it with. */
export function bulkRequest(form: BulkForm): FormData | Record<string, unknown> | null {
  if (!form.version || form.rowsPerShard < 1) return null;
  const options = { version: Number(form.version), rows_per_shard: form.rowsPerShard, max_bad_share: form.maxBadPercent / 100 };
  if (form.source === 'set') return form.set ? { ...options, comparison_set_id: Number(form.set) } : null;
  if (form.source === 'url') return form.url.trim() ? { ...options, url: form.url.trim() } : null;
  if (!form.file) return null;
  const body = new FormData();
  for (const [name, value] of Object.entries(options)) body.append(name, String(value));
  body.append('file', form.file);
  return body;
}
