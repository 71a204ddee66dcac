const lines = new Map<string, Promise<unknown>>();

/** One after another within this page, where the browser has no Web Locks. */
function inLine(name: string, work: () => Promise<void>): Promise<void> {
  const turn = (lines.get(name) ?? Promise.resolve()).then(work);
  const settled = turn.catch(() => undefined);
  lines.set(name, settled);
  return turn;
}

/** Run `work` while no other tab of this browser runs under the same name. */
export async function alone(name: string, work: () => Promise<void>): Promise<void> {
  // Absent outside of secure contexts, whatever the types say.
  const locks = (navigator as Partial<Navigator>).locks;
  await (locks ? locks.request(name, work) : inLine(name, work));
}
