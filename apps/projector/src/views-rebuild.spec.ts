import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventStoreDbEventStore } from '#event-store';
import { silentLog, systemClock } from '#runtime';
import { PostgresViewStore } from '#views';
import { TestLog, started, threeStepFlow } from '../../../libs/views/src/testing/histories.js';
import { dumpPostgres, withClient } from '../../../libs/views/src/testing/postgres-test-views.js';
import { EventStoreDbDouble } from '../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { testPostgres, type TestPostgres } from '../../../test/support/postgres.js';
import { built, Child, freePort } from '../../../test/support/processes.js';
import { tempFolder, type TempFolder } from '../../../test/support/temp-folder.js';

const LONG_MS = 15_000;
const EVENTS_A_FLOW = 17;

let folder: TempFolder;
let children: Child[];

beforeEach(async () => {
  children = [];
  folder = await tempFolder('views-rebuild');
});
afterEach(async () => {
  await Promise.all(children.map((child) => child.stop()));
  await folder.remove();
});

const spawn = (app: 'main' | 'views-rebuild', env: Record<string, string>): Child => {
  const child = new Child(app, built(`apps/projector/src/${app}.js`), { cwd: folder.path, env });
  children.push(child);
  return child;
};

const rebuild = async (env: Record<string, string>): Promise<[ended: number | string | null, output: string]> => {
  const child = spawn('views-rebuild', env);
  return [await child.exited(), child.output];
};

describe('views:rebuild on EventStoreDB and Postgres', () => {
  let double: EventStoreDbDouble;
  let postgres: TestPostgres;
  let log: TestLog;
  let views: PostgresViewStore;
  let env: Record<string, string>;

  beforeEach(async () => {
    double = new EventStoreDbDouble({ folder: join(folder.path, 'log'), notReadyMs: 0, sync: false });
    await double.start();
    postgres = await testPostgres('views-rebuild.spec');
    log = new TestLog(new EventStoreDbEventStore(systemClock, silentLog, { url: double.url }));
    await log.store.start();
    views = new PostgresViewStore(postgres.url);
    await views.start();
    env = {
      STEPWELL_EVENT_STORE: 'eventstoredb',
      STEPWELL_EVENTSTOREDB_URL: double.url,
      STEPWELL_VIEWS_URL: postgres.url,
      STEPWELL_PORT: String(await freePort()),
    };
  });
  afterEach(async () => {
    await Promise.all(children.map((child) => child.stop()));
    await Promise.all([views.stop(), log.store.stop()]);
    await double.stop();
    await postgres.stop();
  });

  const flows = async (from: number, to: number): Promise<void> => {
    for (let run = from; run < to; run++)
      for (const events of threeStepFlow(`run ${run}`)) await log.append(`run ${run}`, events);
  };
  const caughtUp = async (): Promise<boolean> => views.waitFor(await log.store.head(), LONG_MS);

  it('gives the rows of the set that a projector keeps, which goes on with the new one', async () => {
    const projector = spawn('main', env);
    await flows(0, 40);
    await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }]);
    await log.append('catalogue', [{ type: 'Noted', v: 1, data: '{}' }]);
    await flows(40, 42);
    expect(await caughtUp()).toBe(true);

    const [ended, output] = await rebuild(env);
    expect([ended, output]).toEqual([0, expect.stringContaining('Rebuilding the views in Postgres from EventStoreDB')]);
    const events = 42 * EVENTS_A_FLOW + 3;
    expect(output).toContain(`100 %, ${events} events`);
    expect(output).toContain(`Switched to stepwell_views_2: ${events} events.`);
    const kept = await dumpPostgres(postgres.url, 'stepwell_views_1');
    expect(kept['runs']).toHaveLength(43);
    expect(await dumpPostgres(postgres.url, 'stepwell_views_2')).toEqual(kept);

    // The same process writes the new set, and the old one no more.
    await flows(42, 50);
    expect(await caughtUp()).toBe(true);
    expect(projector.ended).toBeNull();
    expect((await dumpPostgres(postgres.url, 'stepwell_views_1'))['runs']).toHaveLength(43);

    // While runs go on: nothing is missed between the rebuild's last look and the projector's first.
    const rebuilding = rebuild(env);
    await flows(50, 90);
    expect((await rebuilding)[0]).toBe(0);
    await flows(90, 92);
    expect(await caughtUp()).toBe(true);
    expect(await projector.stop()).toBe(0);
    expect((await rebuild(env))[0]).toBe(0);
    expect(await dumpPostgres(postgres.url, 'stepwell_views_4')).toEqual(
      await dumpPostgres(postgres.url, 'stepwell_views_3'),
    );
    expect((await dumpPostgres(postgres.url, 'stepwell_views_4'))['runs']).toHaveLength(93);
  }, 60_000);

  it('is not needed after the tables were dropped as operations.md says: the apps make them anew', async () => {
    const projector = spawn('main', env);
    await flows(0, 20);
    expect(await caughtUp()).toBe(true);
    expect((await rebuild(env))[0]).toBe(0);
    await projector.stop();
    await views.stop();
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/operations.md'), 'utf8');
    const statements = /```sql\n([^`]*)```/.exec(page)![1]!;
    const schemas = () =>
      withClient(postgres.url, async (client) => {
        const { rows } = await client.query<{ nspname: string }>(
          `select nspname from pg_namespace where nspname like 'stepwell%'`,
        );
        return rows.length;
      });
    expect(await schemas()).toBe(3);
    await withClient(postgres.url, (client) => client.query(statements));
    expect(await schemas()).toBe(0);
    spawn('main', env);
    await views.start();
    expect(await caughtUp()).toBe(true);
    expect((await dumpPostgres(postgres.url, 'stepwell_views_1'))['runs']).toHaveLength(20);
  }, 60_000);

  it('says what it could not read, and leaves the views as they were', async () => {
    const [ended, output] = await rebuild({ ...env, STEPWELL_VIEWS_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expect([ended, output]).toEqual([1, expect.stringMatching(/The rebuild has failed, .*ECONNREFUSED/)]);
  });
});

describe('views:rebuild on the embedded log', () => {
  it('makes nothing of a log that does not exist', async () => {
    const [ended, output] = await rebuild({ STEPWELL_DATA_DIR: join(folder.path, 'nowhere') });
    expect([ended, output]).toEqual([1, expect.stringContaining('the log cannot be read')]);
    expect(existsSync(join(folder.path, 'nowhere'))).toBe(false);
  });
});
