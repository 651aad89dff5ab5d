import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LOG_START, type Position } from '#event-store';
import type { RelayCheckpoint } from '../src/relay-checkpoint.js';

const at = (position: number): Position => position as Position;

/** What every adapter of the checkpoint promises. `open` gives another object over the same store. */
export const relayCheckpointContract = (
  name: string,
  make: () => Promise<{ open: () => RelayCheckpoint; remove: () => Promise<void> }>,
): void => {
  describe(`${name}, as a checkpoint of the relay`, () => {
    let store: Awaited<ReturnType<typeof make>>;
    let checkpoint: RelayCheckpoint;
    beforeEach(async () => {
      store = await make();
      checkpoint = store.open();
      await checkpoint.start();
    });
    afterEach(async () => {
      await checkpoint.stop();
      await store.remove();
    });

    it('begins before every event, under an epoch of its own at each taking', async () => {
      const first = await checkpoint.take();
      const second = await checkpoint.take();
      expect([first.position, second.position]).toEqual([LOG_START, LOG_START]);
      expect(second.epoch).toBeGreaterThan(first.epoch);
    });

    it('is kept over a stop, a position of more than 32 bits too', async () => {
      const { epoch } = await checkpoint.take();
      expect(await checkpoint.store(epoch, at(7))).toBe('stored');
      expect(await checkpoint.store(epoch, at(2 ** 52 + 3))).toBe('stored');
      await checkpoint.stop();
      await checkpoint.start();
      const taken = await checkpoint.take();
      expect(taken.position).toBe(2 ** 52 + 3);
      expect(taken.epoch).toBeGreaterThan(epoch);
    });

    it('is moved by the last who took it alone, neither ahead nor back by one from before', async () => {
      const before = await checkpoint.take();
      await checkpoint.store(before.epoch, at(10));
      const other = store.open();
      await other.start();
      const after = await other.take();
      expect(after.position).toBe(10);
      expect(await checkpoint.store(before.epoch, at(99))).toBe('fenced');
      expect(await other.store(after.epoch, at(20))).toBe('stored');
      expect(await checkpoint.store(before.epoch, at(11))).toBe('fenced');
      expect((await other.take()).position).toBe(20);
      await other.stop();
    });

    it('survives writes that come at once, in their order', async () => {
      const { epoch } = await checkpoint.take();
      const outcomes = await Promise.all([1, 2, 3, 4, 5].map((position) => checkpoint.store(epoch, at(position))));
      expect(outcomes).toEqual(Array(5).fill('stored'));
      expect((await checkpoint.take()).position).toBe(5);
    });
  });
};
