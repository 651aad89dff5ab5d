import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunId } from '#engine';
import { ALL_SHARDS, isRunId, shardOf, type Position, type Shard } from '#event-store';
import type { OpenRun, OpenRuns, OpenRunsBatch } from '../open-runs/open-runs.js';

/** A table, how to open it again as the next process would, and its end. */
export type OpenRunsUnderTest = {
  readonly table: OpenRuns;
  readonly reopen: () => Promise<OpenRuns>;
  readonly dispose: () => Promise<void>;
};

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const shard = (number: number): Shard => ALL_SHARDS[number]!;

/** The nth run of a shard, in the order of their ids. */
export const runIn = (of: Shard, n = 0): RunId => {
  // A shard is the five bits of the first letter and the highest of the second.
  const id = `${LETTERS[of >> 1]}${(of & 1) === 0 ? 'a' : '7'}${'a'.repeat(21)}${LETTERS[(n >> 5) & 31]}${LETTERS[n & 31]}a`;
  if (!isRunId(id) || shardOf(id) !== of) throw new Error(`${id} is no run of shard ${of}`);
  return id as RunId;
};

/** A batch of rows; the shards are those of its runs when it does not say. */
export const batchOf = (checkpoint: number, rows: Partial<Omit<OpenRunsBatch, 'checkpoint'>>): OpenRunsBatch => {
  const { open = [], ended = [] } = rows;
  const shards = rows.shards ?? [...new Set([...open.map(({ runId }) => runId), ...ended].map(shardOf))];
  return { open, ended, checkpoint: checkpoint as Position, shards };
};

const at = (runId: RunId, dueMs: number): OpenRun => ({ runId, dueMs });
const all = (table: OpenRuns): Promise<readonly OpenRun[]> => table.due(ALL_SHARDS, Infinity, null, 10_000);
const everywhere = { shards: ALL_SHARDS };
const [a, b] = [shard(5), shard(40)];
/** Of two shards, in the order in which they are due. */
const BY_DUE = [at(runIn(b, 2), 0), at(runIn(a, 1), 3), at(runIn(b, 1), 3), at(runIn(a, 3), 5), at(runIn(a, 0), 9)];

/** What every table of open runs promises to an owner of all shards. */
export const openRunsContract = (name: string, make: () => Promise<OpenRunsUnderTest>): void => {
  describe(`${name} keeps the contract of the open runs:`, () => {
    let under: OpenRunsUnderTest;
    let table: OpenRuns;
    beforeEach(async () => {
      under = await make();
      ({ table } = under);
      await table.start();
    });
    afterEach(() => under.dispose());

    it('tells of nothing at first', async () => {
      expect((await table.checkpoints(ALL_SHARDS)).size).toBe(0);
      expect(await all(table)).toEqual([]);
      expect(await table.count(ALL_SHARDS)).toBe(0);
    });

    it('pages through what is due before an instant, by due and id, over the shards', async () => {
      await table.write(batchOf(7, { open: [...BY_DUE].reverse(), ...everywhere }));
      expect(await table.due(ALL_SHARDS, 9, null, 2)).toEqual(BY_DUE.slice(0, 2));
      expect(await table.due(ALL_SHARDS, 9, BY_DUE[1]!, 2)).toEqual(BY_DUE.slice(2, 4));
      expect(await table.due(ALL_SHARDS, 9, BY_DUE[3]!, 2)).toEqual([]);
    });

    it('changes the due of a run that it has, takes ended ones away, and need not know what ended', async () => {
      await table.write(batchOf(7, { open: BY_DUE, ...everywhere }));
      const ended = [BY_DUE[0]!.runId, BY_DUE[4]!.runId, runIn(a, 99)];
      await table.write(batchOf(8, { open: [at(BY_DUE[3]!.runId, 1), at(runIn(b, 7), 2)], ended, ...everywhere }));
      expect(await all(table)).toEqual([at(BY_DUE[3]!.runId, 1), at(runIn(b, 7), 2), BY_DUE[1], BY_DUE[2]]);
      expect(await table.count(ALL_SHARDS)).toBe(4);
    });

    it('keeps a checkpoint that never goes back, and writes the rows in any case', async () => {
      await table.write(batchOf(9, { open: BY_DUE, ...everywhere }));
      await table.write(batchOf(8, { ended: BY_DUE.map(({ runId }) => runId), ...everywhere }));
      expect(await table.checkpoints(ALL_SHARDS)).toEqual(new Map(ALL_SHARDS.map((each) => [each, 9])));
      expect(await all(table)).toEqual([]);
    });

    it('forgets rows and checkpoints, and takes a checkpoint from before them', async () => {
      await table.write(batchOf(9, { open: BY_DUE, ...everywhere }));
      await table.forget(ALL_SHARDS);
      expect((await table.checkpoints(ALL_SHARDS)).size).toBe(0);
      expect(await all(table)).toEqual([]);
      await table.write(batchOf(4, { open: [BY_DUE[2]!], ...everywhere }));
      expect((await table.checkpoints(ALL_SHARDS)).get(a)).toBe(4);
      expect(await all(table)).toEqual([BY_DUE[2]]);
    });

    it('writes batches in the order of the calls, each of them', async () => {
      // One run in all of them, and one more in each.
      const rows = Array.from({ length: 50 }, (_, n) => [at(runIn(a), n), at(runIn(b, n), 100 + n)]);
      await Promise.all(rows.map((open, n) => table.write(batchOf(n, { open, ...everywhere }))));
      expect(await all(table)).toEqual([at(runIn(a), 49), ...rows.map((row) => row[1])]);
    });

    it('takes many rows at once, and positions and instants beyond 32 bits', async () => {
      const open = Array.from({ length: 20_000 }, (_, n) => at(runIn(shard(n % 64), n >> 6), 1_893_456_000_000 + n));
      const far = 9_007_199_254_740_990;
      await table.write(batchOf(far, { open, ...everywhere }));
      expect(await table.count(ALL_SHARDS)).toBe(20_000);
      expect(await table.due(ALL_SHARDS, Infinity, open[9_998]!, 1)).toEqual([open[9_999]]);
      expect((await table.checkpoints(ALL_SHARDS)).get(shard(63))).toBe(far);
    });

    it('tells the next process what it told this one', async () => {
      await table.write(batchOf(7, { open: BY_DUE, ...everywhere }));
      const again = await under.reopen();
      expect(await all(again)).toEqual(BY_DUE);
      expect((await again.checkpoints(ALL_SHARDS)).get(a)).toBe(7);
    });

    it('stops twice without harm', async () => {
      await table.stop();
      await table.stop();
    });
  });
};

/** What a table promises besides to owners of some shards each. */
export const sharedOpenRunsContract = (name: string, make: () => Promise<OpenRunsUnderTest>): void => {
  describe(`${name} keeps the contract of open runs with several owners:`, () => {
    let under: OpenRunsUnderTest;
    beforeEach(async () => {
      under = await make();
      await under.table.start();
    });
    afterEach(() => under.dispose());

    it('tells of the shards that are asked for', async () => {
      const { table } = under;
      await table.write(batchOf(7, { open: BY_DUE }));
      expect(await table.due([b], Infinity, null, 10)).toEqual([BY_DUE[0], BY_DUE[2]]);
      expect(await table.due([a], Infinity, BY_DUE[1]!, 1)).toEqual([BY_DUE[3]]);
      expect(await table.due([], Infinity, null, 10)).toEqual([]);
      expect(await table.count([a])).toBe(3);
      expect(await table.count([b, shard(0)])).toBe(2);
    });

    it('forgets one shard and leaves the others', async () => {
      const { table } = under;
      await table.write(batchOf(7, { open: BY_DUE, shards: [a, b] }));
      await table.forget([b]);
      expect(await table.checkpoints([a, b])).toEqual(new Map([[a, 7]]));
      expect([await table.count([a]), await table.count([b])]).toEqual([3, 0]);
    });

    it('keeps a checkpoint a shard', async () => {
      const { table } = under;
      await table.write(batchOf(7, { shards: [a, b] }));
      await table.write(batchOf(9, { open: [at(runIn(b), 1)] }));
      await table.write(batchOf(8, { ended: [runIn(b)], shards: [a, b] }));
      expect(await table.checkpoints([b, a, shard(0)])).toEqual(new Map([[a, 8], [b, 9]])); // prettier-ignore
      expect(await table.checkpoints([a])).toEqual(new Map([[a, 8]]));
    });
  });
};
