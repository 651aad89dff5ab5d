import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Cluster } from '../cluster/cluster.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually } from '../support/pause.js';
import type { RunShape } from '../support/shapes.js';
import { tempFolder } from '../support/temp-folder.js';

const GRACE_MS = 1_000;
/** What is not the requests': the log and Postgres are given so long. A stop by default is given 30 s by whoever supervises it. */
const GOODBYE_MS = 19_000;
const RUNS = 50;
/** More than there are slots of an origin. */
const BRANCHES = 600;
/** To one origin, of one dispatcher. */
const CONNECTIONS = 128;

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  closeConnections();
}, 60_000);

describe('a dispatcher that is asked to stop', () => {
  let cluster: Cluster;
  let requests: number;
  const start = (workflow: string, key: string) =>
    httpCall('POST', `${cluster.apis[0]!.url}/v1/runs`, { headers: { 'idempotency-key': key }, body: { workflow } });

  beforeEach(async () => {
    requests = 0;
    /** Never answers. */
    const server: Server = createServer((request) => {
      requests += 1;
      request.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    // A server that listens on a port has an address of this type.
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const folder = await tempFolder('dispatcher-stop');
    open.push(() => folder.remove());
    const shape = { apis: 1, dispatchers: 2, projectors: 0 };
    cluster = await Cluster.start(folder.path, shape, { STEPWELL_SHUTDOWN_GRACE_MS: String(GRACE_MS) });
    open.push(() => cluster.abandon());
    const hang = { type: 'step', url: '/hang', timeouts: { answerMs: 600_000 } };
    const branches = Array.from({ length: BRANCHES }, (_, branch) => ({ ...hang, name: `hang-${branch}` }));
    const roots = { hang: { ...hang, name: 'hang' }, wide: { type: 'parallel', branches } };
    for (const [name, root] of Object.entries(roots)) {
      const body = { target, root };
      const published = await httpCall('PUT', `${cluster.apis[0]!.url}/v1/workflows/${name}`, { body });
      if (published.status !== 201) throw new Error(published.text);
    }
    for (let run = 0; run < RUNS; run++) await start('hang', `hang-${run}`);
    await eventually('requests in flight', async () => (requests >= RUNS ? true : null));
  }, 60_000);

  it('ends within its grace though no request ends, and a run has more of them than there are slots', async () => {
    const [leaving] = cluster.dispatchers;
    // Whichever dispatcher has it: several are half of the time at either.
    for (let run = 0; run < 4; run++) expect((await start('wide', `wide-${run}`)).status).toBe(201);
    await eventually('as many requests as a dispatcher has connections', async () =>
      requests >= CONNECTIONS ? true : null,
    );
    const fromMs = performance.now();
    expect(await leaving!.stop()).toBe(0);
    expect(performance.now() - fromMs).toBeLessThan(GRACE_MS + 5_000);
    // What it had sent was interrupted, which is recorded, and all is made again by the other one.
    const outcomes = new Set<string>();
    for (let run = 0; run < RUNS; run++) {
      const { text } = await start('hang', `hang-${run}`);
      const { id } = JSON.parse(text) as { readonly id: string };
      const shown = await httpCall('GET', `${cluster.apis[0]!.url}/v1/runs/${id}`);
      const [step] = (JSON.parse(shown.text) as RunShape).steps;
      outcomes.add(step!.attempts[0]!.outcome);
    }
    expect(outcomes).toEqual(new Set(['running', 'may-have-executed']));
  }, 60_000);

  it.each([
    ['the event store', () => cluster.proxies.eventStore!.stall()],
    ['Postgres', () => cluster.proxies.postgres.stall()],
  ])(
    'ends in time while %s says nothing, and says what it could not do in a few lines',
    async (_what, stall) => {
      const [leaving] = cluster.dispatchers;
      stall();
      const fromMs = performance.now();
      const child = leaving!.child!;
      expect(await leaving!.stop()).toBe(0);
      expect(performance.now() - fromMs).toBeLessThan(GRACE_MS + GOODBYE_MS);
      expect(child.output.trim().split('\n').length).toBeLessThanOrEqual(5);
    },
    60_000,
  );
});
