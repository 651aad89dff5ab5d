import { eventStoreContract, SMALL_FOLLOWER_LIMITS } from '../../testing/event-store-contract.js';
import { MemoryEventStore } from './memory-event-store.js';

eventStoreContract('MemoryEventStore', async () => {
  const store = new MemoryEventStore(SMALL_FOLLOWER_LIMITS);
  const reopen = async () => {
    await store.stop();
    await store.start();
    return store;
  };
  return { store, reopen, dispose: () => store.stop() };
});
