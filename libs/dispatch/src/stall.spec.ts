import { afterEach, describe, expect, it } from '@jest/globals';
import { Worker } from 'node:worker_threads';
import { DispatchWorld, runIdOf, stepPlan } from './testing/dispatch-world.js';

const RUNS = 50;
const LIMIT_MS = 800;
const STALL_MS = 1_500;

/** An application in a thread of its own: answers all at once when so many have asked, and says how often each was asked. */
const APPLICATION = `
  const { parentPort, workerData: { runs, length } } = require('node:worker_threads');
  const asked = [];
  const waiting = [];
  const server = require('node:http').createServer((request, response) => {
    asked.push(request.headers['stepwell-run-id']);
    request.resume();
    request.on('end', () => {
      waiting.push(response);
      if (asked.length > runs) return response.end('"again"');
      if (waiting.length < runs) return;
      parentPort.postMessage({ all: true });
      setTimeout(() => {
        for (const each of waiting) {
          const text = JSON.stringify('x'.repeat(250_000));
          const headers = { 'content-type': 'application/json' };
          if (length) headers['content-length'] = text.length;
          else headers.connection = 'close';
          each.useChunkedEncodingByDefault = false;
          each.writeHead(200, headers).end(text);
        }
      }, 100);
    });
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }));
  parentPort.on('message', () => parentPort.postMessage({ asked }));
`;

type Told = { readonly port?: number; readonly all?: true; readonly asked?: readonly string[] };
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const told = (worker: Worker): Promise<Told> => new Promise((resolve) => worker.once('message', resolve));

describe('a process that stood still past the deadlines of its attempts', () => {
  it.each([
    ['answerMs', true],
    ['answerMs', false],
    ['stepMs', true],
    ['stepMs', false],
  ])('takes the answers that came meanwhile: %s, their length known: %p', async (limit, length) => {
    const worker = new Worker(APPLICATION, { eval: true, workerData: { runs: RUNS, length } });
    open.push(() => worker.terminate());
    const { port } = await told(worker);
    const timeouts = { connectMs: 5_000, answerMs: 60_000, stepMs: null, [limit]: LIMIT_MS };
    const world = await new DispatchWorld(stepPlan(`http://127.0.0.1:${port}/`, { timeouts }), {
      options: { payloadMaxBytes: 256 * 1024 },
    }).start();
    open.push(() => world.stop());
    const all = told(worker);
    const keys = Array.from({ length: RUNS }, (_, run) => String(run));
    await Promise.all(keys.map((key) => world.startRun(key)));
    await all;
    const until = performance.now() + STALL_MS;
    while (performance.now() < until);
    const ended = await Promise.all(keys.map((key) => world.ended(key)));
    expect(ended.map((loaded) => loaded?.run.status)).toEqual(keys.map(() => 'completed'));
    const asked = told(worker);
    worker.postMessage('asked');
    expect([...((await asked).asked ?? [])].sort()).toEqual(keys.map(runIdOf).sort());
  });
});
