import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startSampleApp, spawnStandalone, startStandalone, type StartedApp } from '../support/apps.js';
import { followEvents } from '../support/event-stream.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { built, Child } from '../support/processes.js';
import { allSteps, type EventShape, type ListShape, type RunShape } from '../support/shapes.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

let folder: TempFolder;
let sample: StartedApp;
const started: StartedApp[] = [];

beforeAll(async () => {
  sample = await startSampleApp();
});

afterEach(async () => {
  for (const { child } of started.splice(0)) {
    child.kill();
    await child.exited();
  }
  await folder.remove();
});

afterAll(async () => {
  await sample.child.stop();
  closeConnections();
});

const stepwell = async (env: Record<string, string> = {}): Promise<StartedApp> => {
  const app = await startStandalone({ dataDir: folder.path, env });
  started.push(app);
  return app;
};

const publish = async (url: string, name: string, root: unknown): Promise<void> => {
  const { status, text } = await httpCall('PUT', `${url}/v1/workflows/${name}`, { body: { target: sample.url, root } });
  expect([status, text]).toEqual([201, expect.any(String)]);
};

const start = async (url: string, key: string, body: unknown, headers: Record<string, string> = {}) =>
  httpCall('POST', `${url}/v1/runs`, { body, headers: { 'idempotency-key': key, ...headers } });

const runOf = async (url: string, id: string): Promise<RunShape> =>
  JSON.parse((await httpCall('GET', `${url}/v1/runs/${id}`)).text) as RunShape;

const step = (name: string, url: string, more: Record<string, unknown> = {}) => ({ type: 'step', name, url, ...more });

describe('standalone', () => {
  it('runs a flow over real HTTP, shows its tree, streams its events, and lists it', async () => {
    folder = await tempFolder('e2e');
    const { url } = await stepwell();
    await publish(url, 'welcome', {
      type: 'sequence',
      steps: [
        step('create-user', '/steps/create-user'),
        {
          type: 'parallel',
          name: 'notify',
          branches: [step('email', '/steps/send-email'), step('analytics', '/steps/send-analytics')],
        },
      ],
    });
    const answer = await start(url, 'k1', { workflow: 'welcome', input: { name: 'Ada' } }, { prefer: 'wait=20' });
    expect(answer.status).toBe(200);
    const run = JSON.parse(answer.text) as RunShape;
    expect(run.status).toBe('completed');
    expect(
      allSteps(run.steps).map(({ key, status, attempts }) => [key, status, attempts.map(({ outcome }) => outcome)]),
    ).toEqual([
      ['create-user', 'completed', ['succeeded']],
      ['notify', 'completed', []],
      ['notify.email', 'completed', ['succeeded']],
      ['notify.analytics', 'completed', ['succeeded']],
    ]);
    const events: EventShape[] = [];
    await followEvents(`${url}/v1/runs/${run.id}/events`, (event) => events.push(event));
    expect([events[0]?.type, events.at(-1)?.type]).toEqual(['RunStarted', 'RunCompleted']);
    expect(events.map(({ revision }) => revision)).toEqual(events.map((_, index) => index));
    const list = await httpCall('GET', `${url}/v1/runs?workflow=welcome&status=completed`, {
      headers: { 'stepwell-min-position': String(answer.headers['stepwell-position']) },
    });
    expect((JSON.parse(list.text) as ListShape<RunShape>).items.map(({ id }) => id)).toEqual([run.id]);
    const steps = await httpCall('GET', `${url}/v1/steps?status=completed&target=${sample.url}`, {
      headers: { 'stepwell-min-position': String(answer.headers['stepwell-position']) },
    });
    const { items } = JSON.parse(steps.text) as ListShape<{ run: string; key: string; target: string }>;
    expect(items.map(({ run: of, key, target }) => [of, key, target])).toEqual(
      ['notify.analytics', 'notify.email', 'create-user'].map((key) => [run.id, key, sample.url]),
    );
    expect(JSON.parse((await httpCall('GET', `${url}/v1/steps?status=running&status=waiting-retry`)).text)).toEqual({
      items: [],
      nextCursor: null,
    });
  });

  it('makes one run of 200 concurrent posts of one key', async () => {
    folder = await tempFolder('e2e');
    const { url } = await stepwell();
    await publish(url, 'one', step('create-user', '/steps/create-user'));
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => start(url, 'same', { workflow: 'one', input: 1 })),
    );
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    const list = await httpCall('GET', `${url}/v1/runs`, {
      headers: { 'stepwell-min-position': String(answers[0]?.headers['stepwell-position']) },
    });
    expect((JSON.parse(list.text) as ListShape<RunShape>).items).toHaveLength(1);
  });

  it('goes on after kill -9: the attempt in flight is unknown, made again under the same key, and the start is still answered alike', async () => {
    folder = await tempFolder('e2e');
    const first = await stepwell();
    await publish(first.url, 'slow', step('slow', '/steps/slow'));
    const body = { workflow: 'slow', input: { delayMs: 1_500 } };
    const accepted = await start(first.url, 'k', body);
    const { id } = JSON.parse(accepted.text) as RunShape;
    while ((await runOf(first.url, id)).steps[0]?.attempts.length !== 1) await pause(20);
    first.child.kill();
    await first.child.exited();
    const second = await stepwell();
    const again = await start(second.url, 'k', body);
    expect([again.status, again.text, again.headers['idempotent-replayed']]).toEqual([201, accepted.text, 'true']);
    let run = await runOf(second.url, id);
    for (; run.status === 'running'; run = await runOf(second.url, id)) await pause(50);
    expect(run.status).toBe('completed');
    expect(run.steps[0]?.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
  });

  it('stops on SIGTERM: not ready, no new attempt, those in flight end or are recorded as interrupted, exit 0', async () => {
    folder = await tempFolder('e2e');
    const app = await stepwell({ STEPWELL_SHUTDOWN_GRACE_MS: '1500' });
    await publish(app.url, 'slow', {
      type: 'sequence',
      steps: [step('slow', '/steps/slow'), step('create-user', '/steps/create-user')],
    });
    const short = JSON.parse(
      (await start(app.url, 'short', { workflow: 'slow', input: { delayMs: 700 } })).text,
    ) as RunShape;
    const long = JSON.parse(
      (await start(app.url, 'long', { workflow: 'slow', input: { delayMs: 20_000 } })).text,
    ) as RunShape;
    const waiting = start(app.url, 'long', { workflow: 'slow', input: { delayMs: 20_000 } }, { prefer: 'wait=30' });
    await pause(200);
    app.child.process.kill('SIGTERM');
    // Twice, as npm and the process group deliver it.
    app.child.process.kill('SIGTERM');
    await pause(200);
    expect((await httpCall('GET', `${app.url}/readyz`)).status).toBe(503);
    expect((await waiting).status).toBe(202);
    expect(await app.child.exited()).toBe(0);
    const second = await stepwell();
    expect((await runOf(second.url, short.id)).steps[0]?.attempts).toMatchObject([{ outcome: 'succeeded' }]);
    const { attempts } = (await runOf(second.url, long.id)).steps[0]!;
    expect(attempts.slice(0, 1)).toMatchObject([
      { outcome: 'may-have-executed', error: { name: 'Stepwell.Interrupted' } },
    ]);
  });

  it('refuses the data folder of a running process, and says which', async () => {
    folder = await tempFolder('e2e');
    await stepwell();
    const second = await spawnStandalone({ dataDir: folder.path });
    started.push(second);
    expect(await second.child.exited()).toBe(1);
    expect(second.child.output).toContain('is in use by another process');
    expect(second.child.output).toContain(folder.path);
  });

  it('opens nothing when its port is taken, and says which setting to change', async () => {
    folder = await tempFolder('standalone');
    const first = await stepwell();
    const dataDir = join(folder.path, 'of-the-second');
    const second = await spawnStandalone({
      dataDir: folder.path,
      port: Number(new URL(first.url).port),
      env: { STEPWELL_DATA_DIR: dataDir },
    });
    started.push(second);
    expect(await second.child.exited()).toBe(1);
    expect(second.child.output).toMatch(/taken by another process.*STEPWELL_PORT/);
    expect(existsSync(dataDir)).toBe(false);
  });
});

describe('the mains of the three apps', () => {
  it.each(['workflow-api', 'dispatcher', 'projector'])(
    '%s refuses the embedded store and names the one it needs',
    async (app) => {
      folder = await tempFolder('e2e');
      const child = new Child(app, built(`apps/${app}/src/main.js`));
      expect(await child.exited()).toBe(1);
      expect(child.output).toContain('STEPWELL_EVENT_STORE=eventstoredb');
      expect(child.output).toContain('npm start');
    },
  );
});
