import { afterAll } from '@jest/globals';
import { silentLog, systemClock } from '#runtime';
import { EventStoreDbDouble } from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { realEventStoreDb } from '../../../../test/support/real-eventstoredb.js';
import { noteServers } from '../../../../test/support/servers-seen.js';
import { tempFolder } from '../../../../test/support/temp-folder.js';
import { eventStoreContract, type StoreUnderTest } from '../../testing/event-store-contract.js';
import { EventStoreDbEventStore } from './eventstoredb-event-store.js';

const over = (url: string, close: () => Promise<void>): StoreUnderTest => {
  const open = () => new EventStoreDbEventStore(systemClock, silentLog, { url });
  let store = open();
  const reopen = async () => {
    await store.stop();
    store = open();
    await store.start();
    return store;
  };
  const dispose = async () => {
    await store.stop();
    await close();
  };
  return { store, reopen, dispose, shared: true };
};

eventStoreContract('EventStoreDbEventStore on the double', async () => {
  const folder = await tempFolder('double');
  const double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0, racingTimeoutMs: 100 });
  await double.start();
  return over(double.url, async () => {
    await double.stop();
    await folder.remove();
  });
});

const real = await realEventStoreDb();
if ('url' in real) {
  eventStoreContract(`EventStoreDbEventStore on ${real.name}`, async () => over(real.url, async () => {}));
  afterAll(real.stop);
}
noteServers('event store', `double; real server: ${'url' in real ? real.name : `none (${real.none})`}`);
