import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { startSampleApp, startStandalone, type StartedApp } from '../support/apps.js';
import { curlCommands, curlRequest } from '../support/curl-commands.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import type { ListShape, RunShape } from '../support/shapes.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

let folder: TempFolder;
let sample: StartedApp;
let stepwell: StartedApp;

beforeAll(async () => {
  folder = await tempFolder('readme');
  sample = await startSampleApp();
  stepwell = await startStandalone({ dataDir: folder.path });
});

afterAll(async () => {
  await Promise.all([sample.child.stop(), stepwell.child.stop()]);
  await folder.remove();
  closeConnections();
});

describe('README', () => {
  it('has curl lines that do what the text around them says', async () => {
    const commands = curlCommands(readFileSync(new URL('../../../README.md', import.meta.url), 'utf8'));
    expect(commands).toHaveLength(5);
    let runId = '';
    const call = async (command: string) => {
      const here = command
        .replaceAll('http://127.0.0.1:8080', stepwell.url)
        .replaceAll('http://127.0.0.1:4000', sample.url)
        .replaceAll('<id>', runId);
      const { method, url, headers, body } = curlRequest(here);
      return httpCall(method, url, { headers, ...(body === undefined ? {} : { body }) });
    };
    const [publish, start, look, follow, list] = commands as [string, string, string, string, string];
    expect((await call(publish)).status).toBe(201);
    const started = await call(start);
    const run = JSON.parse(started.text) as RunShape;
    expect([started.status, run.status]).toEqual([200, 'completed']);
    const [, invite, choice] = run.steps;
    expect(run.output).toEqual({ id: expect.any(String) });
    expect([invite!.steps.map(({ input }) => input), choice!.steps.map(({ status }) => status)]).toEqual([
      ['grace@example.com', 'alan@example.com'].map((to) => ({ to, text: 'Ada has joined' })),
      ['completed'],
    ]);
    runId = run.id;
    expect((JSON.parse((await call(look)).text) as RunShape).id).toBe(runId);
    const events = await call(follow);
    expect(events.headers['content-type']).toContain('text/event-stream');
    expect(events.text).toContain('"RunCompleted"');
    await httpCall('GET', `${stepwell.url}/v1/runs`, {
      headers: { 'stepwell-min-position': String(started.headers['stepwell-position']) },
    });
    expect((JSON.parse((await call(list)).text) as ListShape<RunShape>).items.map(({ id }) => id)).toEqual([runId]);
  });
});
