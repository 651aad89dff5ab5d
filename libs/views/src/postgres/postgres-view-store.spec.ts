import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import pg from 'pg';
import { eventually } from '../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import type { Commit, Position } from '#event-store';
import { LOG_START } from '#event-store';
import { armFailpoint, systemClock } from '#runtime';
import { itemsOf } from '../testing/files.js';
import { TestLog, completed, failed, runIdFor, started } from '../testing/histories.js';
import { dumpPostgres, withClient } from '../testing/postgres-test-views.js';
import { openSqliteViews } from '../testing/sqlite-test-views.js';
import { applyAll } from '../testing/test-views.js';
import { lookupHash } from '../run-lookups.js';
import { ViewsTooNew, ViewsUnavailable } from '../view-store.js';
import { migrate } from './migrate.js';
import { LeadingProjector } from './leading-projector.js';
import { PostgresViewStore } from './postgres-view-store.js';
import { setName } from './views-schema.js';

const NEWEST = { order: 'desc', limit: 100 } as const;
const LONG_MS = 5_000;
const ASK = `
  import pg from 'pg';
  const client = new pg.Client(process.argv[1]);
  await client.connect();
  const { rowCount } = await client.query(process.argv[2]);
  await client.end();
  process.exit(rowCount === 1 ? 0 : 1);`;

describe('the views in Postgres', () => {
  let postgres: TestPostgres;
  let views: PostgresViewStore;
  let disarm = (): void => {};

  beforeEach(async () => {
    postgres = await testPostgres('postgres-view-store.spec');
    views = new PostgresViewStore(postgres.url);
  });

  afterEach(async () => {
    disarm();
    await views.stop();
    await postgres.stop();
  });

  const commitsOf = async (...names: string[]): Promise<readonly Commit[]> => {
    const log = new TestLog();
    for (const name of names) await log.append(name, [started(name), completed]);
    return log.commits();
  };
  const apply = (commits: readonly Commit[], after = LOG_START, to = views) =>
    to.apply({ after, through: commits.at(-1)!.position, commits });
  const ask = <Row>(statement: string): Promise<Row[]> =>
    withClient(postgres.url, async (client) => (await client.query(statement)).rows as Row[]);
  const ending = (which: string): string =>
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and ${which}`;
  const endConnections = (which: string): Promise<unknown> => ask(ending(which));
  /** Without letting this process go on meanwhile. */
  const cutNow = (which: string): void =>
    void execFileSync(process.execPath, ['--input-type=module', '-e', ASK, postgres.url, ending(which)]);

  it('keep what was applied over stop and start', async () => {
    await views.start();
    await views.start();
    expect(await views.checkpoint()).toBe(LOG_START);
    const commits = await commitsOf('one', 'two');
    expect(await apply(commits)).toEqual({ status: 'applied', checkpoint: commits[1]!.position });
    await views.stop();
    await views.stop();
    await expect(views.listRuns(NEWEST)).rejects.toThrow(ViewsUnavailable);
    await views.start();
    expect(await views.checkpoint()).toBe(commits[1]!.position);
    expect(itemsOf(await views.listRuns(NEWEST)).map(({ key }) => key)).toEqual(['two', 'one']);
    expect(await views.parked()).toEqual([]);
  });

  it('may be opened for the first time by several processes at once', async () => {
    const others = Array.from({ length: 6 }, () => new PostgresViewStore(postgres.url));
    await Promise.all(others.map((other) => other.start()));
    expect(await ask(`select version, name from ${setName(1)}.migrations`)).toEqual([
      { version: 1, name: 'run-list' },
      { version: 2, name: 'step-list' },
      { version: 3, name: 'last-seq' },
      { version: 4, name: 'requestors' },
    ]);
    expect(await others[5]!.checkpoint()).toBe(LOG_START);
    await Promise.all(others.map((other) => other.stop()));
  });

  it.each(['stepwell_views', setName(1)])('refuse a newer release by name, in %s', async (schema) => {
    await views.start();
    await ask(`insert into ${schema}.migrations values (99, 'step-list')`);
    const old = new PostgresViewStore(postgres.url);
    await expect(old.start()).rejects.toThrow(ViewsTooNew);
    await expect(old.start()).rejects.toThrow('their migration 99 is "step-list"');
    await old.stop();
  });

  it('may be opened soon though a process with the lock was cut off, and the server has not heard of it', async () => {
    const client = new pg.Client(postgres.url);
    client.on('error', () => {});
    await client.connect();
    // Has begun and got the lock; from then on nothing more comes of it, not even an end.
    let statements = 0;
    const query = (text: string): Promise<unknown> => (++statements > 2 ? new Promise(() => {}) : client.query(text));
    void migrate({ query } as unknown as pg.ClientBase); // a reason for the cast: nothing else of it is used
    await eventually('the lock to be held', async () => (statements > 2 ? true : null));
    const beganMs = performance.now();
    await views.start();
    expect(performance.now() - beganMs).toBeLessThan(10_000);
  });

  it('are unavailable where there is no server, and say so without the password', async () => {
    const nowhere = new PostgresViewStore('postgres://me:secret@127.0.0.1:1/views');
    const failure: unknown = await nowhere.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ViewsUnavailable);
    expect(String(failure)).not.toContain('secret');
    await nowhere.stop();
  });

  it('hold nothing of a batch whose connection is cut before the commit, and take it again', async () => {
    await views.start();
    const commits = await commitsOf('one', 'two');
    await apply(commits.slice(0, 1));
    for (const place of ['views.before-rows', 'views.after-rows', 'views.after-checkpoint']) {
      const before = await dumpPostgres(postgres.url);
      disarm = armFailpoint(place, () => cutNow(`state = 'idle in transaction'`));
      const struck = views.apply({ after: commits[0]!.position, through: commits[1]!.position, commits });
      const outcome = await struck.catch((error: unknown) => error);
      disarm();
      expect(outcome).toBeInstanceOf(ViewsUnavailable);
      expect(await dumpPostgres(postgres.url)).toEqual(before);
    }
    expect(await apply(commits)).toMatchObject({ status: 'applied' });
    expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(2);
  });

  it('go on when every connection was lost between two batches', async () => {
    await views.start();
    const commits = await commitsOf('one', 'two');
    await apply(commits.slice(0, 1));
    await views.listRuns(NEWEST);
    await endConnections('true');
    // The first to use a connection may be the first to learn of it.
    await eventually('the batch', () => apply(commits).catch(() => null));
    const list = await eventually('the list', () => views.listRuns(NEWEST).catch(() => null));
    expect(itemsOf(list)).toHaveLength(2);
  });

  it('refuse a batch that another writer was faster with', async () => {
    await views.start();
    const commits = await commitsOf('one', 'two', 'three');
    await apply(commits.slice(0, 1));
    const other = new PostgresViewStore(postgres.url);
    await other.start();
    await apply(commits.slice(0, 2), LOG_START, other);
    const before = await dumpPostgres(postgres.url);
    await expect(apply(commits, commits[0]!.position)).rejects.toThrow('who else writes them?');
    expect(await dumpPostgres(postgres.url)).toEqual(before);
    expect(await apply(commits)).toEqual({ status: 'applied', checkpoint: commits[2]!.position });
    await other.stop();
  });

  describe('of a writer that was asleep in the middle of a batch', () => {
    let other: pg.Client;
    let commits: readonly Commit[];
    let asleep: Promise<unknown>;

    beforeEach(async () => {
      await views.start();
      commits = await commitsOf('one', 'two');
      await apply(commits.slice(0, 1));
      other = new pg.Client({ connectionString: postgres.url });
      await other.connect();
      // It sleeps where it waits for this lock: its transaction is open, and it believes to be the only one.
      await other.query(`begin; select * from ${setName(1)}.checkpoint for update`);
      asleep = apply(commits).catch((error: unknown) => error);
      await eventually('the writer to sleep', async () => ((await sleepers()).length > 0 ? true : null));
    });
    afterEach(() => other.end());

    const sleepers = (): Promise<unknown[]> => ask(`select pid from pg_stat_activity where wait_event_type = 'Lock'`);

    it('take nothing when another one has written meanwhile', async () => {
      await other.query(`update ${setName(1)}.checkpoint set position = ${commits[1]!.position}; commit`);
      expect(String(await asleep)).toContain('who else writes them?');
      expect((await dumpPostgres(postgres.url))['runs']).toHaveLength(1);
    });

    it('take nothing when it was ended meanwhile', async () => {
      await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      await other.query('commit');
      expect(await asleep).toBeInstanceOf(ViewsUnavailable);
      expect(await views.checkpoint()).toBe(commits[0]!.position);
      expect((await dumpPostgres(postgres.url))['runs']).toHaveLength(1);
    });
  });

  it('of before runs were found by their requestor come to hold what those made now hold', async () => {
    await views.start();
    const log = new TestLog();
    const requestors = [null, 'ann', 'a\0b\uE000e é'] as const;
    for (let run = 0; run < 2_500; run++) {
      await log.append(`run ${run}`, [started(`run ${run}`, { requestor: requestors[run % 3]! })]);
    }
    await apply(await log.commits());
    await views.stop();
    const before = await dumpPostgres(postgres.url);
    const hashes = requestors.flatMap((name) => (name === null ? [] : [lookupHash('requestor', name)]));
    const forgotten = await ask(
      `with gone as (delete from ${setName(1)}.run_lookups where hash in (${hashes.join()}) returning 1)
       select count(*)::integer as count from gone`,
    );
    expect(forgotten).toEqual([{ count: 1_666 }]);
    await ask(`delete from ${setName(1)}.migrations where name = 'requestors'`);
    await views.start();
    expect(await dumpPostgres(postgres.url)).toEqual(before);
  });

  it('hold any text that the log holds, a zero character too, as SQLite does', async () => {
    await views.start();
    const log = new TestLog();
    const odd = 'a\0b\uE000e\uE0000 "\\N" \t\n\r ${} é 😀';
    const name = `,"${odd}`;
    const fields = { correlationId: odd, requestor: odd, workflow: odd, tags: { [name]: odd, t: '","x":"y' } };
    await log.append('odd', [
      started('odd', { ...fields, key: odd }),
      { ...failed, error: { name: odd, cause: odd } } as typeof failed,
    ]);
    await log.append('bad', [started('bad'), { type: odd.replace(/["\\\n\t\r\0]/g, ''), v: 1, data: '{}' }]);
    const sqlite = await openSqliteViews();
    await applyAll(sqlite, await log.commits());
    await apply(await log.commits());
    expect(await views.listRuns(NEWEST)).toEqual(await sqlite.listRuns(NEWEST));
    const found = {
      ...NEWEST,
      key: odd,
      correlationId: odd,
      requestor: odd,
      workflow: odd,
      tags: [{ name, value: odd }],
    };
    expect(itemsOf(await views.listRuns(found))).toMatchObject([
      { id: runIdFor('odd'), reason: odd, tags: fields.tags },
    ]);
    const inside = { name: 'x', value: 'y' };
    expect(await views.listRuns({ ...found, tags: [...found.tags, inside] })).toMatchObject({ items: '[]' });
    expect(await views.parked()).toEqual(await sqlite.parked());
    await sqlite.close();
  });

  it('let a reader in another process wait for what a projector writes, which then hurries', async () => {
    const log = new TestLog();
    const projector = new LeadingProjector(log.store, postgres.url, systemClock, { lock: { holder: 'one' } });
    await views.start();
    await projector.start();
    await log.append('first', [started('first')]);
    expect(await views.waitFor(await log.store.head(), LONG_MS)).toBe(true);
    const startMs = systemClock.monotonicMs();
    for (let run = 0; run < 20; run++) {
      await log.append(`run ${run}`, [started(`run ${run}`)]);
      const minPosition = await log.store.head();
      expect((await views.listRuns({ ...NEWEST, minPosition })).status).toBe('behind');
      expect(await views.waitFor(minPosition, LONG_MS)).toBe(true);
      expect(itemsOf(await views.listRuns({ ...NEWEST, minPosition }))).toHaveLength(run + 2);
    }
    // Each would take the projector's 200 ms of gathering, or the reader's 500 ms of polling.
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(20 * 150);
    expect(await views.waitFor(9_999_999 as Position, 30)).toBe(false);
    await endConnections(`query like 'listen%'`);
    await log.append('last', [started('last')]);
    expect(await views.waitFor(await log.store.head(), LONG_MS)).toBe(true);
    const waiting = views.waitFor(9_999_999 as Position, LONG_MS * 10);
    await views.stop();
    expect(await waiting).toBe(false);
    await projector.stop();
  });
});
