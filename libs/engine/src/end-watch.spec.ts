import { describe, expect, it } from '@jest/globals';
import { MemoryEventStore, type SubscribeOptions } from '#event-store';
import { silentLog, systemClock } from '#runtime';
import { EndWatch } from './end-watch.js';

describe('the watch on ends', () => {
  it('lets what becomes of runs gather as the engine says', async () => {
    const store = new MemoryEventStore();
    await store.start();
    const subscriptions: SubscribeOptions[] = [];
    const subscribe = store.subscribe.bind(store);
    store.subscribe = (after, options) => {
      subscriptions.push(options);
      return subscribe(after, options);
    };
    const gatherMs = (): number => 25;
    const watch = new EndWatch(store, systemClock, silentLog, { met: () => {}, lookAgain: () => {}, gatherMs });
    await watch.enter();
    expect(subscriptions.map((options) => options.gatherMs?.())).toEqual([25]);
    await watch.stop();
    await store.stop();
  });
});
