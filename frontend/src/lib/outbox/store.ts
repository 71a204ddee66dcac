/** Where unsent ratings and rankings lie until the server has them: IndexedDB, or memory in browsers that keep nothing. */

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Judgement } from '@/lib/api/types';

/** What can be kept: an answer to an assignment. */
export interface Answer {
  client_id: string;
  assignment_id: number;
}

export interface Held<A extends Answer = Judgement> {
  client_id: string;
  /** Whose it is, of which project and of which kind, see `ownerKey`. */
  owner: string;
  queued_at: number;
  judgement: A;
}

export interface OutboxStore<A extends Answer = Judgement> {
  /** False: what is unsent is lost with the tab. */
  readonly isDurable: boolean;
  put(held: Held<A>): Promise<void>;
  /** Oldest first. */
  list(owner: string): Promise<Held<A>[]>;
  remove(clientIds: string[]): Promise<void>;
}

interface Schema extends DBSchema {
  ratings: { key: string; value: Held<Answer>; indexes: { owner: string } };
}

/** One owner has answers of one kind: ratings, where nothing else is said. */
export const ownerKey = (userId: number, project: string, kind = '') => `${userId}/${project}${kind && `/${kind}`}`;

/** Who made what this owner has. */
export const userOf = (owner: string) => Number.parseInt(owner, 10);

function oldestFirst<A extends Answer>(held: Held<A>[]): Held<A>[] {
  return held.sort((x, y) => x.queued_at - y.queued_at);
}

export async function openIndexedDb<A extends Answer = Judgement>(name = 'touchstone-outbox'): Promise<OutboxStore<A>> {
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
    list: async (owner) => oldestFirst((await db.getAllFromIndex('ratings', 'owner', owner)) as Held<A>[]),
    remove: async (clientIds) => {
      const change = db.transaction('ratings', 'readwrite');
      await Promise.all([...clientIds.map((clientId) => change.store.delete(clientId)), change.done]);
    },
  };
}

export function inMemory<A extends Answer = Judgement>(): OutboxStore<A> {
  const rows = new Map<string, Held<A>>();
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
export async function openStore<A extends Answer = Judgement>(): Promise<OutboxStore<A>> {
  try {
    return await openIndexedDb();
  } catch {
    return inMemory();
  }
}
