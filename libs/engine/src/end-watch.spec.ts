import { describe, expect, it } from '@jest/globals';
import { LOG_START, MemoryEventStore, type SubscribeOptions } from '#event-store';
import { silentLog, systemClock } from '#runtime';
import { TestClock } from '../../dispatch/src/testing/test-clock.js';
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
    const watch = new EndWatch(store, systemClock, silentLog, { observe: () => {}, lookAgain: () => {}, gatherMs });
    await watch.enter();
    expect(subscriptions.map((options) => options.gatherMs?.())).toEqual([25]);
    await watch.stop();
    await store.stop();
  });

  it('opens nothing for somebody who has gone, or after a stop, while it still asked where the log ends', async () => {
    for (const goes of ['away', 'stopped'] as const) {
      const store = new MemoryEventStore();
      await store.start();
      let open = 0;
      const subscribe = store.subscribe.bind(store);
      store.subscribe = (...args) => {
        open += 1;
        return subscribe(...args);
      };
      const heads: (() => void)[] = [];
      store.head = () => new Promise((resolve) => heads.push(() => resolve(LOG_START)));
      const clock = new TestClock();
      const nothing = (): void => undefined;
      const watching = { observe: nothing, lookAgain: nothing, gatherMs: () => 0 };
      const watch = new EndWatch(store, clock, silentLog, watching);
      const entered = watch.enter();
      watch.leave(1);
      const stopped = goes === 'stopped' ? watch.stop() : null;
      clock.pass(10_000);
      for (const head of heads) head();
      await entered;
      await stopped;
      expect(open).toBe(0);
      if (goes === 'away') {
        // Who comes after that is told all the same.
        const again = watch.enter();
        heads.at(-1)!();
        await again;
        expect([open, watch.since]).toEqual([1, LOG_START]);
      }
      await watch.stop();
      await store.stop();
    }
  });
});
