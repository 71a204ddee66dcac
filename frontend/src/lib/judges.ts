/** AI labellers by name. */

import type { JudgeBrief } from './api/types';

/** "mine · judge-1" of an endpoint, the directory of a model on the worker. */
export function judgeName({ name, model }: JudgeBrief): string {
  const at = name.indexOf(':');
  const where = name.slice(at + 1);
  return model ? `${where} · ${model}` : where;
}

export function versionName({ version }: JudgeBrief): string {
  return `${version.name} v${version.number}`;
}
