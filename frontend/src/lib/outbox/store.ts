/** Where unsent ratings lie until the server has them: IndexedDB, or memory in browsers that keep nothing. */

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Judgement } from '@/lib/api/types';

export interface Held {
  client_id: string;
  /** Whose it is and of which project, see `ownerKey`. */
  owner: string;
  queued_at: number;
  judgement: Judgement;
}

export interface OutboxStore {
  /** False: what is unsent is lost with the tab. */
  readonly isDurable: boolean;
  put(held: Held): Promise<void>;
  /** Oldest first. */
  list(owner: string): Promise<Held[]>;
  remove(clientIds: string[]): Promise<void>;
}

interface Schema extends DBSchema {
  ratings: { key: string; value: Held; indexes: { owner: string } };
}

export const ownerKey = (userId: number, project: string) => `${userId}/${project}`;

const oldestFirst = (held: Held[]) => held.sort((x, y) => x.queued_at - y.queued_at);

export async function openIndexedDb(name = 'touchstone-outbox'): Promise<OutboxStore> {
  const db: IDBPDatabase<Schema> = await openDB<Schema>(name, 1, {
    upgrade(fresh) {
      fresh.createObjectStore('ratings', { keyPath: 'client_id' }).createIndex('owner', 'owner');
    },
  });
  return {
    isDurable: true,
    put: async (held) => {
      // Strict: on the disk, not only on its way there.
      const change = db.transaction('ratings', 'readwrite', { durability: 'strict' });
      await Promise.all([change.store.put(held), change.done]);
    },
    list: async (owner) => oldestFirst(await db.getAllFromIndex('ratings', 'owner', owner)),
    remove: async (clientIds) => {
      const change = db.transaction('ratings', 'readwrite');
      await Promise.all([...clientIds.map((clientId) => change.store.delete(clientId)), change.done]);
    },
  };
}

export function inMemory(): OutboxStore {
  const rows = new Map<string, Held>();
  return {
    isDurable: false,
    put: async (held) => {
      rows.set(held.client_id, held);
    },
    list: async (owner) => oldestFirst([...rows.values()].filter((held) => held.owner === owner)),
    remove: async (clientIds) => {
      for (const clientId of clientIds) rows.delete(clientId);
    },
  };
}

/** IndexedDB where the browser has it and lets us. */
export async function openStore(): Promise<OutboxStore> {
  try {
    return await openIndexedDb();
  } catch {
    return inMemory();
  }
}
