/** Puts the server's complaints beside the fields they are about. */

import { ApiError } from './api/client';

interface FormLike {
  setErrors(errors: Record<string, string>): void;
}

/** Shows field errors in `form` and returns what concerns no field. */
export function showErrors(form: FormLike, error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  const byField = Object.fromEntries(error.errors.filter((e) => e.field).map((e) => [e.field, e.message]));
  form.setErrors(byField);
  return Object.keys(byField).length > 0 ? '' : error.detail;
}

/** What the server has to say of what was asked for: of each field, or in general. */
export function complaints(error: Error): string {
  return error instanceof ApiError && error.errors.length > 0 ? error.errors.map(({ message }) => message).join(' ') : error.message;
}
