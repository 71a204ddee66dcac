/** A part of a form, by the path at which it lies: fields that several forms have are written once. */

import type { GetInputPropsReturnType } from '@mantine/form';

export interface FormPart<T> {
  values: T;
  /** What an input takes: its value, what changes it, and what is wrong with it. */
  props: (field: string, options?: { type: 'checkbox' }) => GetInputPropsReturnType;
  set: (field: string, value: unknown) => void;
  error: (field: string) => string | undefined;
  /** Of a list in it. */
  add: (list: string, item: unknown) => void;
  remove: (list: string, place: number) => void;
}

interface FormLike {
  getInputProps: (path: string, options?: { type: 'checkbox' }) => GetInputPropsReturnType;
  // The paths of a form are known only to the form that the part is of.
  setFieldValue: (path: string, value: never) => void;
  insertListItem: (path: string, item: never) => void;
  removeListItem: (path: string, place: number) => void;
  errors: Record<string, unknown>;
}

/** The part of `form` with `values`, which lie at `path`; '' for the whole of it. */
export function partOf<T>(form: FormLike, path: string, values: T): FormPart<T> {
  const at = (field: string) => (path ? `${path}.${field}` : field);
  return {
    values,
    props: (field, options) => form.getInputProps(at(field), options),
    set: (field, value) => form.setFieldValue(at(field), value as never),
    error: (field) => form.errors[at(field)] as string | undefined,
    add: (list, item) => form.insertListItem(at(list), item as never),
    remove: (list, place) => form.removeListItem(at(list), place),
  };
}

/** The part with `values` that lies at `path` within another one. */
export function within<T>(part: FormPart<object>, path: string, values: T): FormPart<T> {
  const at = (field: string) => `${path}.${field}`;
  return {
    values,
    props: (field, options) => part.props(at(field), options),
    set: (field, value) => part.set(at(field), value),
    error: (field) => part.error(at(field)),
    add: (list, item) => part.add(at(list), item),
    remove: (list, place) => part.remove(at(list), place),
  };
}
