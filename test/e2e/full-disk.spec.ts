import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { startSampleApp, startStandalone, type StartedApp } from '../support/apps.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually } from '../support/pause.js';
import type { ListShape, RunShape } from '../support/shapes.js';
import { fillDisk, smallDisk } from '../support/small-disk.js';

const DISK_BYTES = 16 * 1024 * 1024;

describe('standalone on a full disk', () => {
  const disk = smallDisk(DISK_BYTES);
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
  });
  afterAll(async () => {
    await sample.child.stop();
    closeConnections();
  });

  const stepwell = async (): Promise<StartedApp> => {
    const dataDir = join(disk(), 'data');
    mkdirSync(dataDir, { recursive: true });
    const app = await startStandalone({ dataDir });
    started.push(app);
    return app;
  };
  const start = (url: string, key: string, input: unknown = null) =>
    httpCall('POST', `${url}/v1/runs`, { body: { workflow: 'w', input }, headers: { 'idempotency-key': key } });
  const statusesOf = async (url: string): Promise<readonly string[]> => {
    const { status, text } = await httpCall('GET', `${url}/v1/runs?limit=1000`);
    expect([status, text]).toEqual([200, expect.any(String)]);
    return (JSON.parse(text) as ListShape<RunShape>).items.map((run) => run.status);
  };
  const readsGoOn = async (url: string, id: string): Promise<void> => {
    const { status, text } = await httpCall('GET', `${url}/v1/runs/${id}`);
    expect(status).toBe(200);
    expect((JSON.parse(text) as RunShape).status).toBe('running');
    expect((await statusesOf(url)).length).toBeGreaterThan(0);
    const ready = await httpCall('GET', `${url}/readyz`);
    expect(ready.status).toBe(200);
  };

  it('refuses starts by 507, serves reads, stops and starts on it, and ends every run by itself when there is room', async () => {
    const first = await stepwell();
    const root = { type: 'step', name: 'work', url: '/steps/slow?delayMs=1500' };
    const put = await httpCall('PUT', `${first.url}/v1/workflows/w`, { body: { target: sample.url, root } });
    expect(put.status).toBe(201);
    expect((await start(first.url, 'shown')).status).toBe(201);
    await eventually('a list', async () => ((await statusesOf(first.url)).length > 0 ? true : null));
    const free = fillDisk(disk(), 512 * 1024);
    const ids: string[] = [];
    let refused = null;
    for (let run = 0; refused === null; run++) {
      const { status, text } = await start(first.url, `run-${run}`, 'x'.repeat(20_000));
      if (status === 201) ids.push((JSON.parse(text) as RunShape).id);
      else refused = [status, (JSON.parse(text) as { code: string }).code];
    }
    fillDisk(disk(), 0);
    expect(refused).toEqual([507, 'storage-full']);
    expect(ids.length).toBeGreaterThan(5);
    const last = ids.at(-1)!;
    await readsGoOn(first.url, last);
    expect((await httpCall('GET', `${first.url}/readyz`)).text).toContain('The disk of the event log is full');
    await first.child.stop();
    fillDisk(disk(), 0);
    const second = await stepwell();
    await readsGoOn(second.url, last);
    expect((await start(second.url, 'late', 'x'.repeat(20_000))).status).toBe(507);
    free();
    await eventually(
      'all runs to end',
      async () => {
        const statuses = await statusesOf(second.url);
        return statuses.length >= ids.length && statuses.every((status) => status === 'completed') ? true : null;
      },
      30_000,
    );
    expect((await start(second.url, 'late', 'x')).status).toBe(201);
  }, 60_000);

  it('starts on it without its lists and its table of open runs, which it makes when there is room', async () => {
    const first = await stepwell();
    const root = { type: 'step', name: 'work', url: '/steps/create-user' };
    const put = await httpCall('PUT', `${first.url}/v1/workflows/w`, { body: { target: sample.url, root } });
    expect(put.status).toBe(201);
    const ids: string[] = [];
    for (let run = 0; run < 5; run++) {
      const { text } = await start(first.url, `run-${run}`);
      ids.push((JSON.parse(text) as RunShape).id);
    }
    await first.child.stop();
    const dataDir = join(disk(), 'data');
    for (const name of readdirSync(dataDir))
      if (!name.startsWith('events')) rmSync(join(dataDir, name), { recursive: true });
    const free = fillDisk(disk(), 0);

    const second = await stepwell();
    for (const id of ids) expect((await httpCall('GET', `${second.url}/v1/runs/${id}`)).status).toBe(200);
    const list = await httpCall('GET', `${second.url}/v1/runs`);
    expect([list.status, list.text]).toEqual([503, expect.stringContaining('storage-unavailable')]);
    expect((await httpCall('GET', `${second.url}/readyz`)).text).toContain('The lists cannot be read');
    free();
    await eventually(
      'the list',
      async () => {
        const { status, text } = await httpCall('GET', `${second.url}/v1/runs`);
        return status === 200 && (JSON.parse(text) as ListShape<RunShape>).items.length === ids.length ? true : null;
      },
      30_000,
    );
    expect((await start(second.url, 'late')).status).toBe(201);
    await eventually('all runs to end', async () => {
      const statuses = await statusesOf(second.url);
      return statuses.length > ids.length && statuses.every((status) => status === 'completed') ? true : null;
    });
  }, 60_000);
});
