import { describe, expect, it } from '@jest/globals';
import type { Commit } from '#event-store';
import { CommitQueue } from './commit-queue.js';

const commit = (position: number, bytes: number, count = 1) =>
  ({ stream: 'run-00-a', firstRevision: 0, count, position, packed: 'x'.repeat(bytes) }) as unknown as Commit;
const NEVER = new AbortController().signal;
const positions = (commits: readonly Commit[]) => commits.map(({ position }) => Number(position));
/** Whether a promise is resolved once all that can happen by itself has happened. */
const isResolved = async (promise: Promise<unknown>): Promise<boolean> => {
  let resolved = false;
  void promise.then(() => (resolved = true));
  await new Promise((resolve) => setImmediate(resolve));
  return resolved;
};

describe('CommitQueue', () => {
  it('makes the reader wait while it is full, until enough was taken', async () => {
    const queue = new CommitQueue(100);
    expect(await isResolved(queue.put([commit(1, 60)], NEVER))).toBe(true);
    const put = queue.put([commit(2, 60, 3)], NEVER);
    expect(await isResolved(put)).toBe(false);
    expect([queue.events, Number(queue.oldest!.position)]).toEqual([4, 1]);
    expect(positions(await queue.take(60, NEVER))).toEqual([1]);
    expect(await isResolved(put)).toBe(true);
    expect(queue.events).toBe(3);
  });

  it('gives at least one commit, and no more bytes than asked for else, in order', async () => {
    const queue = new CommitQueue(1_000);
    await queue.put([commit(1, 500), commit(2, 40), commit(3, 40), commit(4, 40)], NEVER);
    expect(positions(await queue.take(100, NEVER))).toEqual([1]);
    expect(positions(await queue.take(100, NEVER))).toEqual([2, 3]);
    expect(positions(await queue.take(100, NEVER))).toEqual([4]);
    expect(queue.oldest).toBeNull();
  });

  it('makes the sender wait for the first commit, and lets both go when they are to stop', async () => {
    const queue = new CommitQueue(10);
    const stop = new AbortController();
    const taken = queue.take(100, stop.signal);
    expect(await isResolved(taken)).toBe(false);
    await queue.put([commit(1, 5)], stop.signal);
    expect(positions(await taken)).toEqual([1]);
    const put = queue.put([commit(2, 50)], stop.signal);
    const idle = new CommitQueue(10).take(100, stop.signal);
    stop.abort();
    await put;
    expect(await idle).toEqual([]);
    expect(positions(await queue.take(100, stop.signal))).toEqual([2]);
  });
});
