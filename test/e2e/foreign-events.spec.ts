import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ANY, binaryEvent, EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { runStream } from '#event-store';
import { Cluster } from '../cluster/cluster.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually } from '../support/pause.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

const LONG_MS = 60_000;
const LOGGED = 'an event that is not of Stepwell stands in one of its streams';

let folder: TempFolder;
let cluster: Cluster;
let client: EventStoreDBClient;
/** The application: answers when the test says so. */
let application: Server;
let held: ServerResponse[];

beforeAll(async () => {
  held = [];
  application = createServer((request, response) => {
    request.resume();
    held.push(response);
  });
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  folder = await tempFolder('foreign-events');
  cluster = await Cluster.start(folder.path, { apis: 1, dispatchers: 1, projectors: 1, direct: true });
  client = EventStoreDBClient.connectionString(cluster.env['STEPWELL_EVENTSTOREDB_URL']!);
}, LONG_MS);
afterAll(async () => {
  await client.dispose();
  await cluster.abandon();
  application.closeAllConnections();
  await new Promise((resolve) => application.close(resolve));
  await folder.remove();
  closeConnections();
}, LONG_MS);

let keys = 0;
const api = async (method: string, path: string, body?: unknown) => {
  const headers = { 'idempotency-key': `key-${++keys}` };
  const answer = await httpCall(method, `${cluster.apis[0]!.url}${path}`, {
    ...(body !== undefined && { body, headers }),
  });
  return { status: answer.status, body: JSON.parse(answer.text || 'null') as unknown };
};

/** A run of two steps, the first of which is at the application. */
const started = async (): Promise<{ readonly id: string; readonly stream: string }> => {
  // A server that listens on a port has an address of this type.
  const target = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
  const steps = ['first', 'second'].map((name) => ({ type: 'step', name, url: `/${name}` }));
  const definition = { target, root: { type: 'sequence', steps } };
  const { status, body } = await api('POST', '/v1/runs', { definition });
  expect({ status, body }).toEqual({ status: 201, body: expect.anything() });
  const { id } = body as { readonly id: string };
  await inFlight();
  return { id, stream: runStream(id.split('.')[0]!) };
};

const inFlight = () => eventually('a request', async () => (held.length > 0 ? true : null));

const answer = (): void => {
  const response = held.shift()!;
  response.setHeader('content-type', 'application/json').end('{"ok":true}');
};

/** By a page of the server, or by another client. */
const put = async (stream: string, ...events: readonly unknown[]): Promise<void> => {
  await client.appendToStream(
    stream,
    events.map((data) =>
      data instanceof Uint8Array
        ? binaryEvent({ type: 'Remark', data })
        : jsonEvent({ type: 'Remark', data: data as Record<string, unknown> }),
    ),
    { expectedRevision: ANY },
  );
};

type Shown = {
  readonly status: string;
  readonly steps: readonly { readonly attempts: readonly { readonly outcome: string }[] }[];
};
const status = async (id: string) => ((await api('GET', `/v1/runs/${id}`)).body as Shown).status;
const ended = (id: string, as: string) =>
  eventually(`the run to be ${as}`, async () => ((await status(id)) === as ? true : null));
const typesOf = async (id: string): Promise<readonly string[]> => {
  const { body } = await api('GET', `/v1/runs/${id}/events`);
  const events = (body as { readonly items: readonly { type: string; revision: number }[] }).items;
  expect(events.map(({ revision }) => revision)).toEqual(events.map((_, index) => index));
  return events.map(({ type }) => type);
};
const listedAs = (id: string, as: string) =>
  eventually(`the list to show the run as ${as}`, async () => {
    const { body } = await api('GET', '/v1/runs?limit=100');
    const rows = (body as { readonly items: readonly { id: string; status: string }[] }).items;
    return rows.find((row) => row.id === id)?.status === as ? true : null;
  });

describe('an event that somebody has put into the stream of a run', () => {
  it(
    'takes its place there, is shown as foreign, and the run goes on',
    async () => {
      const { id, stream } = await started();
      await put(stream, { by: 'somebody' }, Buffer.from('no { json'));
      expect(await status(id)).toBe('running');
      answer();
      await inFlight();
      await put(stream, { after: 'the first step' });
      answer();
      await ended(id, 'completed');
      await put(stream, { after: 'the end' });
      const types = await typesOf(id);
      expect(types.filter((type) => type === 'Foreign')).toHaveLength(4);
      expect(types.slice(0, 2)).toEqual(['RunStarted', 'StepEntered']);
      expect(types.at(-1)).toBe('Foreign');
      const { body } = await api('GET', `/v1/runs/${id}/events`);
      const foreign = (body as { items: { type: string; data: unknown }[] }).items.filter(
        ({ type }) => type === 'Foreign',
      );
      expect(foreign.map(({ data }) => data)).toEqual([
        { eventType: 'Remark', bytes: 17, content: { by: 'somebody' } },
        { eventType: 'Remark', bytes: 9, content: null },
        { eventType: 'Remark', bytes: 26, content: { after: 'the first step' } },
        { eventType: 'Remark', bytes: 19, content: { after: 'the end' } },
      ]);
      await listedAs(id, 'completed');
      expect(await status(id)).toBe('completed');
      for (const { child } of cluster.members) {
        const said = child!.output.split('\n').filter((line) => line.includes(LOGGED));
        expect(said).toEqual([...new Set(said)]);
        expect(said.length).toBeLessThanOrEqual(4);
      }
      expect(cluster.dispatchers[0]!.child!.output).toContain(LOGGED);
    },
    LONG_MS,
  );

  it(
    'keeps no cancel from being done, and none from being told',
    async () => {
      const { id, stream } = await started();
      await put(stream, { by: 'somebody' });
      const cancelled = await api('POST', `/v1/runs/${id}/cancel`, { reason: 'enough' });
      expect([cancelled.status, (cancelled.body as Shown).status]).toEqual([200, 'cancelled']);
      await listedAs(id, 'cancelled');
      answer();
    },
    LONG_MS,
  );

  it(
    'is passed over by the dispatcher that takes over',
    async () => {
      const { id, stream } = await started();
      const [dispatcher] = cluster.dispatchers;
      await dispatcher!.kill();
      held = [];
      await put(stream, { by: 'somebody' });
      dispatcher!.start();
      await dispatcher!.ready(LONG_MS);
      await inFlight();
      answer();
      await inFlight();
      answer();
      await ended(id, 'completed');
      expect((await typesOf(id)).filter((type) => /Foreign|Unknown/.test(type))).toEqual([
        'Foreign',
        'AttemptOutcomeUnknown',
      ]);
      await listedAs(id, 'completed');
    },
    LONG_MS,
  );

  it(
    'makes no run of a stream in which nothing else is, and harms no other',
    async () => {
      const nobodys = 'a'.repeat(26);
      await put(runStream(nobodys), { by: 'somebody' });
      expect((await api('GET', `/v1/runs/${nobodys}`)).status).toBe(404);
      const { id } = await started();
      answer();
      await inFlight();
      answer();
      await ended(id, 'completed');
      await listedAs(id, 'completed');
      expect((await api('GET', `/v1/runs/${nobodys}`)).status).toBe(404);
    },
    LONG_MS,
  );
});
