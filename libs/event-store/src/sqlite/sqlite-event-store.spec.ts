import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventStoreContract, SMALL_FOLLOWER_LIMITS } from '../../testing/event-store-contract.js';
import { SqliteEventStore } from './sqlite-event-store.js';

eventStoreContract('SqliteEventStore', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stepwell-log-'));
  const open = () => new SqliteEventStore({ folder, onFatal: fatal, followers: SMALL_FOLLOWER_LIMITS });
  let store = open();
  const reopen = async () => {
    await store.stop();
    store = open();
    await store.start();
    return store;
  };
  const dispose = async () => {
    await store.stop();
    await rm(folder, { recursive: true });
  };
  return { store, reopen, dispose, ownsAlone: true, appendsRead: () => store.stats().appendsRead };
});

const fatal = (error: unknown): void => {
  throw error;
};
