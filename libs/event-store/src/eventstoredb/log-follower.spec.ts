import { describe, expect, it } from '@jest/globals';
import { silentLog, systemClock } from '#runtime';
import type { Position } from '../event-store.js';
import { follow } from './log-follower.js';
import type { LogReader } from './log-reader.js';
import type { ReadRequest } from './read-request.js';

/** What a server does that keeps 32 events for a reader, when more come at once. */
const tooSlow = (): Error => Object.assign(new Error('too slow'), { code: 10 });
const broken = (): Error => Object.assign(new Error('the connection broke'), { code: 14 });

/** How a read ends, or how many appends come of it before it ends well; a subscription that has brought them stays open. */
type End = Error | null | number;

/** Follows a log whose reads end as a test says, each in turn; from then on nothing happens. */
const followed = (...ends: readonly End[]): Promise<readonly string[]> => gathered([], ...ends);

/** The same, asked each time how long appends may gather: by the list, then not at all. */
const gathered = async (gatherMs: readonly number[], ...ends: readonly End[]): Promise<readonly string[]> => {
  const seen: string[] = [];
  const abort = new AbortController();
  let last = 0;
  const arrival = () => {
    const commit = {
      stream: 'a',
      firstRevision: 0,
      count: 1,
      position: ++last + 1,
      packed: '',
    };
    return { type: 'commit', commit, chars: 0 };
  };
  const inflow = (end: End | undefined) => ({
    take: () => {
      if (end === undefined) abort.abort();
      if (typeof end === 'number') {
        const arrivals = Array.from({ length: end }, arrival);
        end = null;
        return Promise.resolve(arrivals);
      }
      return end instanceof Error ? Promise.reject(end) : Promise.resolve(null);
    },
    stopWaiting: () => {},
    close: () => {},
  });
  const left = [...ends];
  // As much of a reader as is asked here.
  const reader = {
    head: () => Promise.resolve((last === 0 ? 0 : last + 20) as Position),
    open: ({ count, source }: ReadRequest) => {
      const from = 'position' in source && typeof source.position === 'object' ? source.position.commit : '';
      seen.push(`${count === 'subscription' ? 'subscribes' : 'reads'}${last === 0 ? '' : ` from ${from}`}`);
      return Promise.resolve({ inflow: inflow(left.shift()), regrouping: { rest: () => {} } });
    },
  } as unknown as LogReader;
  const after = (ms: number, call: () => void) => {
    seen.push(asked.has(ms) ? `gathers ${ms}` : 'waits');
    return systemClock.after(1, call);
  };
  const asked = new Set(gatherMs);
  const listed = [...gatherMs];
  const clock = { ...systemClock, after };
  const options = { clock, log: silentLog, filter: {}, gatherMs: () => listed.shift() ?? 0, signal: abort.signal };
  for await (const message of follow(reader, 0 as Position, options))
    seen.push(message.type === 'commits' ? `${message.commits.length} commits` : message.type);
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

  it('reads what has gathered, from the last append on, and from the head once a read has brought nothing', async () => {
    expect(await gathered([20, 20, 21, 22, 23, 24], null, 1, 3, 0, 2, 0)).toEqual([
      ...['reads', 'caught-up', 'subscribes', '1 commits', 'gathers 20', 'reads from 2', '3 commits'],
      ...['gathers 21', 'reads from 5', 'gathers 22', 'reads from 5', '2 commits'],
      ...['gathers 23', 'reads from 24', 'gathers 24', 'reads from 24'],
    ]);
  });

  it('is told again when nothing more comes', async () => {
    const nothing = Array.from({ length: 25 }, () => 0);
    const seen = await gathered([20, 20, ...nothing.map(() => 20)], null, 1, ...nothing);
    expect(seen.filter((what) => what.startsWith('reads'))).toHaveLength(26);
    expect(seen.at(-1)).toBe('subscribes from 21');
  });

  it('is told again as soon as appends may not gather', async () => {
    expect(await gathered([20, 20, 0], null, 1, 3)).toEqual([
      ...[
        'reads',
        'caught-up',
        'subscribes',
        '1 commits',
        'gathers 20',
        'reads from 2',
        '3 commits',
        'subscribes from 5',
      ],
    ]);
  });

  it('goes on with a read, and says that it has caught up, when one of what had gathered broke', async () => {
    expect(await gathered([20, 20], null, 1, broken(), null)).toEqual([
      ...['reads', 'caught-up', 'subscribes', '1 commits', 'gathers 20', 'reads from 2'],
      ...['waits', 'reads from 2', 'caught-up', 'subscribes from 21'],
    ]);
  });
});
