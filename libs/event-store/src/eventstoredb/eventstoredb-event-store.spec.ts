import { silentLog, systemClock } from '#runtime';
import { tempFolder } from '../../../../test/support/temp-folder.js';
import { EventStoreDbDouble } from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { eventStoreContract } from '../../testing/event-store-contract.js';
import { EventStoreDbEventStore } from './eventstoredb-event-store.js';

const over = (url: string, close: () => Promise<void>) => {
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
  return { store, reopen, dispose, shared: true as const };
};

eventStoreContract('EventStoreDbEventStore, double', async () => {
  const folder = await tempFolder('double');
  const double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0, racingTimeoutMs: 100 });
  await double.start();
  return over(double.url, async () => {
    await double.stop();
    await folder.remove();
  });
});
