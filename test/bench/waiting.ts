import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpCall } from '../support/http-client.js';
import { eventually, pause } from '../support/pause.js';
import type { BenchOptions } from './options.js';
import { residentBytes } from './process-figures.js';
import { publish, startBenchServer } from './server.js';

const MIB = 2 ** 20;
const PAYLOAD = JSON.stringify('x'.repeat(250_000));
/** Steps whose answers a run keeps: with its input they are 2 MB. */
const STEPS = 7;
const AT_ONCE = 16;
const REST_MS = 5_000;
const SAMPLE_MS = 100;
const GOAL_MIB = 400;

export type WaitingFigures = {
  readonly runs: number;
  readonly residentMiBBefore: number;
  readonly residentMiBAtMost: number;
  readonly residentMiBAtRest: number;
};

/** Runs of 2 MB that all wait for a retry in an hour: what the process takes while they come, and at rest. */
export const measureWaiting = async (options: BenchOptions, say: (line: string) => void): Promise<WaitingFigures> => {
  let waiting = 0;
  const app = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      const isLast = request.url === '/busy';
      if (isLast) waiting += 1;
      response.writeHead(isLast ? 500 : 200, { 'content-type': 'application/json' });
      response.end(isLast ? '{}' : PAYLOAD);
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  // A TCP server has no other kind of address.
  const { port } = app.address() as AddressInfo;
  const server = await startBenchServer(options);
  const { pid } = server.child;
  const before = residentBytes(pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, SAMPLE_MS);
  try {
    const large = Array.from({ length: STEPS }, (_, at) => ({ type: 'step', name: `large${at}`, url: '/large' }));
    const hour = { initialIntervalMs: 3_600_000, maxIntervalMs: 3_600_000, jitter: 'none' };
    const busy = { type: 'step', name: 'busy', url: '/busy', retry: hour };
    const target = `http://127.0.0.1:${port}`;
    await publish(server.url, 'large', { target, root: { type: 'sequence', steps: [...large, busy] } });
    const body = `{"workflow":"large","input":${PAYLOAD}}`;
    for (let run = 0; run < options.runs; run++) {
      await eventually('room', () => Promise.resolve(run - waiting < AT_ONCE ? true : null));
      const headers = { 'idempotency-key': `waiting-${run}` };
      const { status, text } = await httpCall('POST', `${server.url}/v1/runs`, { headers, body });
      if (status !== 201) throw new Error(`a start gave ${status}: ${text}`);
    }
    await eventually('all waiting', () => Promise.resolve(waiting >= options.runs ? true : null));
    await pause(REST_MS);
    const atRest = residentBytes(pid);
    const verdict = atRest / MIB < GOAL_MIB ? 'reached' : 'MISSED';
    const [first, peak, rest] = [before, most, atRest].map((bytes) => (bytes / MIB).toFixed(0));
    say(`${options.runs} waiting runs of 2 MB: ${first} MiB before, ${peak} at most, ${rest} at rest`);
    say(`goal: under ${GOAL_MIB} MiB at rest: ${rest}, ${verdict}`);
    await server.stop();
    return {
      runs: options.runs,
      residentMiBBefore: before / MIB,
      residentMiBAtMost: most / MIB,
      residentMiBAtRest: atRest / MIB,
    };
  } finally {
    clearInterval(sampler);
    app.closeAllConnections();
    app.close();
    await server.abandon();
  }
};
