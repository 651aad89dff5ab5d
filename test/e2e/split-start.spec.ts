import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NodeShape } from '../../apps/workflow-api/src/docs/service-schemas.js';
import { EventStoreDbDouble } from '../support/eventstoredb-double/eventstoredb-double.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually, pause } from '../support/pause.js';
import { testPostgres, type TestPostgres } from '../support/postgres.js';
import { built, Child, freePort } from '../support/processes.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

const APPS = ['workflow-api', 'dispatcher', 'projector'] as const;
type App = (typeof APPS)[number];

let folder: TempFolder;
let postgres: TestPostgres;
let double: EventStoreDbDouble;
/** What the apps know of Postgres: it listens when a test says so. */
let proxy: TcpProxy;
let children: Child[];
let env: Record<string, string>;

beforeEach(async () => {
  children = [];
  folder = await tempFolder('split-start');
  postgres = await testPostgres('split-start.spec');
  double = new EventStoreDbDouble({ folder: join(folder.path, 'log'), port: await freePort(), notReadyMs: 0 });
  const url = new URL(postgres.url);
  proxy = new TcpProxy(Number(url.port));
  url.port = String(await freePort());
  env = {
    STEPWELL_EVENT_STORE: 'eventstoredb',
    STEPWELL_EVENTSTOREDB_URL: double.url,
    STEPWELL_VIEWS_URL: url.href,
    // Nobody listens there: Kafka delays no start.
    STEPWELL_KAFKA_BROKERS: '127.0.0.1:1',
    STEPWELL_KAFKA_TRIGGER_TOPIC: 'orders',
  };
});
afterEach(async () => {
  closeConnections();
  await Promise.all(children.map((child) => child.stop()));
  await proxy.stop();
  await double.stop();
  await postgres.stop();
  await folder.remove();
});

const postgresPort = (): number => Number(new URL(env['STEPWELL_VIEWS_URL']!).port);

const spawn = async (app: App, change: Record<string, string> = {}): Promise<{ child: Child; url: string }> => {
  const port = String(await freePort());
  const child = new Child(app, built(`apps/${app}/src/main.js`), {
    cwd: folder.path,
    env: { ...env, STEPWELL_PORT: port, ...change },
  });
  children.push(child);
  return { child, url: `http://127.0.0.1:${port}` };
};

const readyz = async (url: string): Promise<[status: number, text: string]> => {
  const { status, text } = await httpCall('GET', `${url}/readyz`);
  return [status, text];
};

/** The names of our metrics on the page of a process. */
const metricsOf = async (url: string): Promise<string[]> => {
  const { text } = await httpCall('GET', `${url}/metrics`);
  return [...text.matchAll(/^# TYPE (stepwell_\w+)/gm)].map(([, name]) => name!);
};

describe('the split shape', () => {
  it('starts in any order: alive and not ready until both stores answer', async () => {
    const apps = await Promise.all(APPS.map(async (app) => ({ app, ...(await spawn(app)) })));
    const waiting = /\{"status":"not-ready".*The start waits for the event store\./;
    for (const { child, url } of apps) {
      await child.printed(/the start waits for the event store/);
      expect((await httpCall('GET', `${url}/livez`)).status).toBe(200);
      expect(await readyz(url)).toEqual([503, expect.stringMatching(waiting)]);
    }
    const [api] = apps;
    const early = await httpCall('POST', `${api!.url}/v1/runs`, { body: { workflow: 'w' } });
    expect([early.status, JSON.parse(early.text)]).toEqual([503, expect.objectContaining({ code: 'not-ready' })]);

    await double.start();
    for (const { child, url } of apps) {
      await child.printed(/the start waits for Postgres/);
      expect(await readyz(url)).toEqual([503, expect.stringContaining('The start waits for Postgres.')]);
    }
    await proxy.start(postgresPort());
    for (const { child, url } of apps) await child.ready(`${url}/readyz`);

    // Postgres goes away again: shards are lost, lists are not written, and runs are still accepted.
    await proxy.stop();
    const [, dispatcher, projector] = apps;
    const unready = async (url: string, text: RegExp) =>
      eventually(String(text), async () => (text.test((await readyz(url))[1]) ? await readyz(url) : null), 15_000);
    expect((await unready(dispatcher!.url, /it may start nothing/))[0]).toBe(503);
    expect((await unready(projector!.url, /"degraded".*The lists cannot be read/))[0]).toBe(200);
    expect((await unready(api!.url, /"degraded".*The lists cannot be read/))[0]).toBe(200);
    proxy = new TcpProxy(Number(new URL(postgres.url).port));
    await proxy.start(postgresPort());
    for (const { url } of apps)
      await eventually('all to be ready again', async () =>
        (await readyz(url))[1].includes('"degraded"') ? null : true,
      );
    for (const { child, url } of apps) await child.ready(`${url}/readyz`);
    for (const { child } of apps) expect(await child.stop()).toBe(0);
  }, 60_000);

  it('tells of every process what it is and what it counts', async () => {
    await double.start();
    await proxy.start(postgresPort());
    const urls = {} as Record<App, string>;
    for (const app of APPS) {
      const { child, url } = await spawn(app);
      urls[app] = url;
      await child.ready(`${url}/readyz`);
    }
    const node = async (app: App) => {
      const answer = JSON.parse((await httpCall('GET', `${urls[app]}/v1/node`)).text) as Record<string, unknown>;
      expect(NodeShape.parse(answer)).toEqual(answer);
      return answer;
    };
    const lag = { events: 0, seconds: 0, caughtUp: true };
    expect(await node('workflow-api')).toMatchObject({
      roles: ['workflow-api'],
      shards: { owned: 0, of: 64 },
      trigger: { started: 0, deadLettered: 0, lag: { messages: 0, seconds: 0 } },
      relay: null,
      attempts: null,
    });
    expect(await node('dispatcher')).toMatchObject({
      roles: ['dispatcher'],
      shards: { owned: 64, acting: 64, of: 64 },
      takeOvers: { silent: 0, died: 0 },
      attempts: { inFlight: 0, waiting: 0 },
      breakers: [],
      lag: null,
    });
    for (let turn = 0; turn < 100 && !(await node('projector'))['leads']; turn++) await pause(50);
    for (let turn = 0; turn < 100 && JSON.stringify((await node('projector'))['lag']) !== JSON.stringify(lag); turn++)
      await pause(50);
    expect(await node('projector')).toMatchObject({
      roles: ['projector'],
      leads: true,
      lag,
      relay: { leads: true, published: 0 },
      versions: { eventStoreServer: double.options.version ?? '23.10.6', viewsSchema: expect.any(Number) },
      attempts: null,
    });

    const appends = ['append_seconds', 'appends_total', 'append_conflicts_total', 'runs_started_total'];
    const expected: Record<App, readonly string[]> = {
      'workflow-api': [...appends, 'trigger_runs_started_total', 'trigger_dead_letters_total', 'trigger_lag_messages'],
      dispatcher: [
        ...[...appends, 'runs_ended_total', 'runs_open', 'attempts_total', 'attempts_waiting', 'shards_owned'],
        ...['shard_take_overs_total', 'obligations_overdue_total', 'breakers'],
      ],
      projector: [
        ...['projector_leads', 'view_lag_events', 'view_lag_seconds', 'view_caught_up', 'relay_leads'],
        ...['relay_events_published_total', 'relay_lag_events', 'relay_lag_seconds', 'relay_caught_up'],
      ],
    };
    for (const app of APPS) {
      expect(await metricsOf(urls[app])).toEqual(
        expect.arrayContaining(expected[app].map((name) => `stepwell_${name}`)),
      );
      expect((await httpCall('GET', `${urls[app]}/metrics`)).text).toContain('nodejs_eventloop_lag_p99_seconds');
    }
  }, 60_000);

  it('ends at once with 0 at a SIGTERM while it waits', async () => {
    const started = await Promise.all(APPS.map((app) => spawn(app)));
    for (const { child } of started) await child.printed(/the start waits for/);
    const sinceMs = performance.now();
    expect(await Promise.all(started.map(({ child }) => child.stop()))).toEqual([0, 0, 0]);
    expect(performance.now() - sinceMs).toBeLessThan(2_000);
  }, 60_000);

  it('waits for no store that refuses it: the start ends and says why', async () => {
    await double.start();
    await proxy.start(postgresPort());
    const wrongPassword = new URL(env['STEPWELL_VIEWS_URL']!);
    wrongPassword.password = 'wrong';
    const noDatabase = new URL(env['STEPWELL_VIEWS_URL']!);
    noDatabase.pathname = '/nowhere';
    const refused = [
      [wrongPassword.href, /refuses STEPWELL_VIEWS_URL: password authentication failed/],
      [noDatabase.href, /refuses STEPWELL_VIEWS_URL: database .*nowhere.* does not exist/],
    ] as const;
    for (const app of APPS) {
      for (const [url, why] of app === 'projector' ? refused : refused.slice(0, 1)) {
        const { child } = await spawn(app, { STEPWELL_VIEWS_URL: url });
        expect([await child.exited(), child.output]).toEqual([1, expect.stringMatching(why)]);
        expect(child.output).not.toContain(':wrong@');
      }
    }
    double.faults.denied = true;
    const denied = await spawn('projector');
    expect([await denied.child.exited(), denied.child.output]).toEqual([
      1,
      expect.stringContaining('refuses STEPWELL_EVENTSTOREDB_URL'),
    ]);
    await double.stop();
    double = new EventStoreDbDouble({ ...double.options, port: double.port, version: '21.10.9' });
    await double.start();
    const old = await spawn('projector');
    expect([await old.child.exited(), old.child.output]).toEqual([1, expect.stringContaining('is too old')]);
  }, 60_000);
});
