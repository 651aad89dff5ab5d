import { describe, expect, it } from '@jest/globals';
import { MemoryEventStore, type Position, type SubscribeOptions, type SubscriptionMessage } from '#event-store';
import { silentLog, systemClock } from '#runtime';
import { LogFollower } from './log-follower.js';

const at = (position: number): Position => position as Position;

/** Subscriptions that give what a test says, and break after it. */
class BreakingStore extends MemoryEventStore {
  readonly asked: Position[] = [];
  readonly gatherMs: (number | null)[] = [];

  constructor(readonly messages: readonly SubscriptionMessage[]) {
    super();
  }

  override async *subscribe(after: Position, options: SubscribeOptions): AsyncGenerator<SubscriptionMessage> {
    this.asked.push(after);
    this.gatherMs.push(options.gatherMs?.() ?? null);
    yield* this.messages;
    throw new Error('the connection broke');
  }
}

describe('a follower of the log', () => {
  it('goes on from where it was told that it is, also where nothing was for it', async () => {
    const store = new BreakingStore([
      { type: 'caught-up', position: at(3) },
      { type: 'commits', commits: [], position: at(7) },
    ]);
    const clock = { ...systemClock, after: (_ms: number, call: () => void) => systemClock.after(1, call) };
    const told: number[] = [];
    const onCommits = (_: unknown, position: Position): void => void told.push(position);
    const follower = new LogFollower(store, clock, silentLog, { after: at(1), filter: {}, onCommits });
    while (store.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(follower.position).toBe(7);
    await follower.stop();
    expect(store.asked.slice(0, 2)).toEqual([1, 7]);
    expect(told[0]).toBe(7);
  });

  it('asks its subscription to gather as it is told, and else not', async () => {
    const store = new BreakingStore([]);
    const options = { after: at(1), filter: {}, onCommits: () => {} };
    const [busy, plain] = [{ ...options, gatherMs: () => 16 }, options].map(
      (follower) => new LogFollower(store, systemClock, silentLog, follower),
    );
    while (store.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await Promise.all([busy!.stop(), plain!.stop()]);
    expect(store.gatherMs).toEqual([16, null]);
  });
});
