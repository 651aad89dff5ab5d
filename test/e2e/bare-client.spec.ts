import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventStoreDBClient, type JSONRecordedEvent } from '@eventstore/db-client';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { runStream } from '#event-store';
import { Cluster } from '../cluster/cluster.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually } from '../support/pause.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

const LONG_MS = 60_000;
const ROOT = join(import.meta.dirname, '../../..');
/** The thirty lines of docs/events.md. */
const [, REPLAY] = /^```js\n(.*?)^```$/ms.exec(readFileSync(join(ROOT, 'docs/events.md'), 'utf8'))!;

const step = (name: string, url: string) => ({
  type: 'step',
  name,
  url,
  retry: { maxAttempts: 3, initialIntervalMs: 1 },
});
const ROOTS = {
  joined: {
    type: 'sequence',
    steps: [
      step('create-user', '/steps/create-user'),
      {
        type: 'parallel',
        name: 'notify',
        branches: [step('email', '/steps/send-email'), step('flaky', '/steps/flaky?failures=2')],
      },
    ],
  },
  inside: {
    type: 'sequence',
    steps: [
      {
        type: 'parallel',
        name: 'both',
        branches: [step('one', '/steps/create-user'), { type: 'pass', name: 'two', output: { a: 1 } }],
      },
      { type: 'pass', name: 'last' },
    ],
  },
  refused: step('refuse', '/steps/refuse'),
  hung: step('black-hole', '/steps/black-hole'),
};
type Name = keyof typeof ROOTS;
const ENDS: Readonly<Record<Name, string>> = {
  joined: 'completed',
  inside: 'completed',
  refused: 'failed',
  hung: 'cancelled',
};

let folder: TempFolder;
let cluster: Cluster;
let client: EventStoreDBClient;
let url: string;
/** By the name of what they run. */
const ids = {} as Record<Name, string>;

const api = async (method: string, path: string, body?: unknown, key = '') => {
  const headers = { ...(key !== '' && { 'idempotency-key': key }) };
  const answer = await httpCall(method, `${cluster.apis[0]!.url}${path}`, {
    headers,
    ...(body !== undefined && { body }),
  });
  expect([method, path, answer.status < 300, answer.text]).toEqual([method, path, true, answer.text]);
  return JSON.parse(answer.text) as Record<string, any>;
};

beforeAll(async () => {
  folder = await tempFolder('bare-client');
  cluster = await Cluster.start(folder.path, { apis: 1, dispatchers: 1, projectors: 0, direct: true });
  url = cluster.env['STEPWELL_EVENTSTOREDB_URL']!;
  client = EventStoreDBClient.connectionString(url);
  for (const [name, root] of Object.entries(ROOTS) as [Name, object][]) {
    const definition = { target: cluster.app.url, root };
    const { id } = await api('POST', '/v1/runs', { definition, input: { name } }, name);
    ids[name] = id as string;
  }
  await eventually('an attempt that hangs', async () =>
    (await eventsOf('hung')).some(({ type }) => type === 'AttemptStarted') ? true : null,
  );
  await api('POST', `/v1/runs/${ids.hung}/cancel`, { reason: 'enough' });
  for (const [name, end] of Object.entries(ENDS) as [Name, string][])
    await eventually(`${name} to be ${end}`, async () =>
      (await api('GET', `/v1/runs/${ids[name]}`))['status'] === end ? true : null,
    );
}, LONG_MS);
afterAll(async () => {
  await client.dispose();
  await cluster.abandon();
  await folder.remove();
  closeConnections();
}, LONG_MS);

const streamOf = (name: Name): string => runStream(ids[name].split('.')[0]!);
const eventsOf = async (name: Name): Promise<{ type: string; revision: number; data: unknown }[]> =>
  (await api('GET', `/v1/runs/${ids[name]}/events?limit=1000`))['items'];

/** The steps that a run has entered, those inside others too. */
const entered = (steps: readonly any[]): readonly any[] =>
  steps.flatMap((step) => [step, ...entered(step.steps)]).filter(({ status }) => status !== 'not-reached');

/** What a client of EventStoreDB reads, links resolved. */
const read = async (stream: string): Promise<readonly JSONRecordedEvent[]> => {
  const events: JSONRecordedEvent[] = [];
  for await (const { event } of client.readStream(stream, { resolveLinkTos: true }))
    // Ours are JSON, which is tested here.
    events.push(event as JSONRecordedEvent);
  return events;
};

describe.each(Object.keys(ROOTS) as Name[])('a run in EventStoreDB, read by its client alone: %s', (name) => {
  it('is event for event what the API shows, each as its schema says', async () => {
    const shown = await eventsOf(name);
    const events = await read(streamOf(name));
    expect(
      events.map(({ type, revision, data, isJson }) => ({ type, revision: Number(revision), data, isJson })),
    ).toEqual(shown.map(({ type, revision, data }) => ({ type, revision, data, isJson: true })));
    const ajv = new Ajv2020({ allErrors: true, validateFormats: false, allowUnionTypes: true });
    for (const { type, data } of events) {
      const schema = await api('GET', `/schemas/events/${type}.json`);
      const fits = ajv.getSchema(type) ?? ajv.addSchema(schema, type).getSchema(type)!;
      expect([type, fits(data), fits.errors]).toEqual([type, true, null]);
    }
  });

  it('says of each event where it comes from, and which were appended together', async () => {
    const events = await read(streamOf(name));
    const metadata = events.map((event) => event.metadata as Record<string, any>);
    for (const each of metadata) {
      expect(each['$correlationId']).toBe(ids[name].split('.')[0]);
      expect(Object.keys(each)).toEqual(expect.arrayContaining(['v', 'recordedAt', 'actor', 'traceparent']));
    }
    for (let at = 0; at < events.length; at += metadata[at]!['of'] as number) {
      const together = metadata.slice(at, at + (metadata[at]!['of'] as number));
      expect(together.map(({ index }) => index)).toEqual(together.map((_, index) => index));
      expect(new Set(together.map(({ $causationId }) => $causationId)).size).toBe(1);
    }
  });

  it('comes out of the thirty lines as the API shows it', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', REPLAY!, streamOf(name)],
      { cwd: ROOT, env: { ...process.env, EVENTSTOREDB_URL: url } },
    );
    const replayed = JSON.parse(stdout) as Record<string, any>;
    const run = await api('GET', `/v1/runs/${ids[name]}`);
    expect([replayed['status'], replayed['output']]).toEqual([run['status'], run['output']]);
    const shown = Object.fromEntries(
      entered(run['steps']).map(({ key, attempts, output }) => [key, { attempts: attempts.length, output }]),
    );
    const steps = replayed['steps'] as Record<string, { attempts: number; output: unknown }>;
    expect(Object.keys(steps).toSorted()).toEqual(Object.keys(shown).toSorted());
    for (const [key, { attempts, output }] of Object.entries(steps)) {
      expect([key, attempts]).toEqual([key, shown[key]!.attempts]);
      if (shown[key]!.output !== null) expect([key, output]).toEqual([key, shown[key]!.output]);
    }
  });
});

// The projections of a real server are off until somebody starts them.
if (process.env['STEPWELL_TEST_EVENTSTOREDB_URL'] === undefined)
  describe('runs in EventStoreDB, by the streams of its projections', () => {
    const runsOf = (events: readonly JSONRecordedEvent[]) => new Set(events.map(({ streamId }) => streamId));
    const names = Object.keys(ROOTS) as Name[];

    it('are found by type, all of them and no other', async () => {
      for (const [type, end] of [
        ['RunCompleted', 'completed'],
        ['RunFailed', 'failed'],
        ['RunCancelled', 'cancelled'],
      ] as const) {
        const wanted = names.filter((name) => ENDS[name] === end).map(streamOf);
        expect([type, await read(`$et-${type}`).then(runsOf)]).toEqual([type, new Set(wanted)]);
      }
    });

    it('are found by category and by correlation, in order', async () => {
      const all = await read('$ce-run');
      expect(runsOf(all)).toEqual(new Set(names.map(streamOf)));
      for (const name of names) {
        const own = await read(streamOf(name));
        const ofRun = ({ streamId }: JSONRecordedEvent) => streamId === streamOf(name);
        expect(all.filter(ofRun)).toEqual(own);
        expect(await read(`$bc-${ids[name].split('.')[0]}`)).toEqual(own);
      }
    });
  });
