import { describe, expect, it } from '@jest/globals';
import { silentLog, systemClock } from '#runtime';
import type { Position } from '../event-store.js';
import { follow } from './log-follower.js';
import type { LogReader } from './log-reader.js';
import type { ReadRequest } from './read-request.js';

/** What a server does that keeps 32 events for a reader, when more come at once. */
const tooSlow = (): Error => Object.assign(new Error('too slow'), { code: 10 });
const broken = (): Error => Object.assign(new Error('the connection broke'), { code: 14 });

/** Follows a log without events whose reads end as a test says, each in turn; from then on nothing happens. */
const followed = async (...ends: readonly (Error | null)[]): Promise<readonly string[]> => {
  const seen: string[] = [];
  const abort = new AbortController();
  const inflow = (end: Error | null | undefined) => ({
    take: () => {
      if (end === undefined) abort.abort();
      return end instanceof Error ? Promise.reject(end) : Promise.resolve(null);
    },
    stopWaiting: () => {},
    close: () => {},
  });
  const left = [...ends];
  // As much of a reader as is asked here.
  const reader = {
    head: () => Promise.resolve(7 as Position),
    open: ({ count }: ReadRequest) => {
      seen.push(count === 'subscription' ? 'subscribes' : 'reads');
      return Promise.resolve(inflow(left.shift()));
    },
  } as unknown as LogReader;
  const after = (_ms: number, call: () => void) => {
    seen.push('waits');
    return systemClock.after(1, call);
  };
  const clock = { ...systemClock, after };
  const options = { clock, log: silentLog, filter: {}, signal: abort.signal };
  for await (const { type } of follow(reader, 7 as Position, options)) seen.push(type);
  return seen;
};

describe('a subscription to EventStoreDB', () => {
  it('is made again at once when the server has ended a live one, without a read or a word, and not twice at one place', async () => {
    expect(await followed(null, tooSlow(), tooSlow())).toEqual([
      ...['reads', 'caught-up', 'subscribes', 'subscribes', 'waits', 'subscribes'],
    ]);
  });

  it('reads again, and says that it has caught up, after every other break', async () => {
    expect(await followed(null, tooSlow(), broken(), null)).toEqual([
      ...['reads', 'caught-up', 'subscribes', 'subscribes', 'waits', 'reads', 'caught-up', 'subscribes'],
    ]);
  });

  it('has not caught up when its first read ended like a live one', async () => {
    expect(await followed(tooSlow(), null)).toEqual(['reads', 'waits', 'reads', 'caught-up', 'subscribes']);
  });
});
