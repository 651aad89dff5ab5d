import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import pg from 'pg';
import { ALL_SHARDS, type Shard } from '#event-store';
import { eventually } from '../../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../../test/support/postgres.js';
import {
  batchOf,
  openRunsContract,
  runIn,
  sharedOpenRunsContract,
  type OpenRunsUnderTest,
} from '../../testing/open-runs-contract.js';
import { soleOwner } from '../../testing/owned-claims.js';
import { PostgresOpenRuns } from './postgres-open-runs.js';

const make = async (): Promise<OpenRunsUnderTest> => {
  const postgres = await testPostgres('open runs contract');
  const owner = await soleOwner(postgres.url);
  let table = new PostgresOpenRuns(owner, { connectionString: postgres.url });
  const reopen = async () => {
    await table.stop();
    table = new PostgresOpenRuns(owner, { connectionString: postgres.url });
    await table.start();
    return table;
  };
  const dispose = async () => {
    await table.stop();
    await owner.stop();
    await postgres.stop();
  };
  return { table, reopen, dispose };
};

openRunsContract('PostgresOpenRuns', make);
sharedOpenRunsContract('PostgresOpenRuns', make);

describe('PostgresOpenRuns', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await testPostgres('open runs fenced');
  });
  afterAll(() => postgres.stop());

  const [mine, theirs] = [ALL_SHARDS[3]!, ALL_SHARDS[4]!];
  const open = (shard: Shard, dueMs: number) => ({ runId: runIn(shard), dueMs });
  const rows = (table: PostgresOpenRuns) => table.due([mine, theirs], Infinity, null, 10);

  it('leaves rows and checkpoint of a shard alone that another has claimed since, and writes the rest', async () => {
    const zombie = await soleOwner(postgres.url, 'zombie');
    const stale = new Map(ALL_SHARDS.map((shard) => [shard, zombie.claimOf(shard)]));
    const table = new PostgresOpenRuns(zombie, { connectionString: postgres.url });
    await table.start();
    await table.write(batchOf(5, { open: [open(mine, 50), open(theirs, 50)] }));
    await zombie.stop();
    await table.stop();
    const heir = await soleOwner(postgres.url, 'heir');
    // It holds one shard still, as far as the server knows; the other is the heir's.
    const claims = { claimOf: (shard: Shard) => (shard === mine ? heir.claimOf(mine) : stale.get(shard)!) };
    const woken = new PostgresOpenRuns(claims, { connectionString: postgres.url });
    const gone = runIn(theirs, 9);
    await woken.write(batchOf(90, { open: [open(mine, 1), open(theirs, 1), { runId: gone, dueMs: 1 }] }));
    expect(await rows(woken)).toEqual([open(mine, 1), open(theirs, 50)]);
    await woken.write(batchOf(91, { open: [], ended: [runIn(mine), runIn(theirs)] }));
    expect(await rows(woken)).toEqual([open(theirs, 50)]);
    expect(await woken.checkpoints([mine, theirs])).toEqual(new Map([[mine, 91], [theirs, 5]])); // prettier-ignore
    await woken.stop();
    await heir.stop();
  });

  it('writes nothing under a claim that came after the write was asked for', async () => {
    const owner = await soleOwner(postgres.url, 'owner');
    const claims = { now: (shard: Shard): string | null => owner.claimOf(shard), claimOf: (s: Shard) => claims.now(s) };
    const table = new PostgresOpenRuns(claims, { connectionString: postgres.url });
    await table.start();
    claims.now = () => null;
    const early = table.write(batchOf(100, { open: [open(mine, 100)] }));
    claims.now = (shard) => owner.claimOf(shard);
    await early;
    expect((await table.checkpoints([mine])).get(mine)).toBe(91);
    await table.stop();
    await owner.stop();
  });

  it('lets no write of unknown outcome come after a later one', async () => {
    const owner = await soleOwner(postgres.url, 'owner');
    const table = new PostgresOpenRuns(owner, { connectionString: postgres.url });
    await table.start();
    // The row is locked by somebody else, so that the first write waits; then its connection is gone.
    const [locker, observer] = [0, 1].map(() => new pg.Client({ connectionString: postgres.url })) as [
      pg.Client,
      pg.Client,
    ];
    await locker.connect();
    await observer.connect();
    await locker.query('begin');
    await locker.query('select from stepwell_dispatch.shards where shard = $1 for update', [mine]);
    const waiting = async (count: number): Promise<void> => {
      const found = `select from pg_stat_activity where application_name = 'stepwell open runs' and wait_event_type = 'Lock'`;
      await eventually(`${count} writes that wait`, async () =>
        (await observer.query(found)).rowCount === count ? true : null,
      );
    };
    const first = table.write(batchOf(200, { open: [open(mine, 200)] }));
    await waiting(1);
    const failed = first.catch(String);
    // A private member, since the cut must come between two statements of the same table.
    for (const socket of (table as unknown as { sockets: Set<Socket> }).sockets) socket.destroy();
    expect(await failed).toContain('terminated');
    const second = table.write(batchOf(201, { open: [open(mine, 201)] }));
    await waiting(2);
    await locker.query('commit');
    await Promise.all([locker.end(), observer.end(), second]);
    expect(await rows(table)).toContainEqual(open(mine, 201));
    // The server takes the two in their order as a rule. This is how the first looks if it does not: a lower number.
    const late = new PostgresOpenRuns(owner, { connectionString: postgres.url });
    await late.write(batchOf(200, { open: [open(mine, 200)] }));
    expect(await rows(table)).toContainEqual(open(mine, 201));
    await late.stop();
    await table.stop();
    await owner.stop();
  });
});
