import { NO_STREAM, runStream, SqliteEventStore, type NewEvent, type RecordedEvent } from '#event-store';
import { sha256Base32, systemClock, systemEntropy } from '#runtime';

import { startSampleApp } from '../support/apps.js';
import { httpCall } from '../support/http-client.js';
import { eventually, pause } from '../support/pause.js';
import type { RunShape } from '../support/shapes.js';
import { tempFolder } from '../support/temp-folder.js';
import type { BenchOptions } from './options.js';
import { residentBytes } from './process-figures.js';
import { publish, startBenchServer, type BenchServer } from './server.js';
import { definitions, startBody } from './throughput.js';

export type StartupFigures = {
  readonly finishedRuns: number;
  readonly openRuns: number;
  readonly events: number;
  /** From the start of the process to `/readyz`; the tables beside the log are as they were before these runs. */
  readonly firstReadyMs: number;
  /** The same once all of them are current. */
  readonly readyMs: number;
  readonly residentMiBAtReady: number;
  /** More than a start on an empty log has, by open run. */
  readonly residentBytesPerOpenRun: number;
};

const FINISHED_EVENTS = 1_000_000;
const FEW_OPEN = 1000;
const GOAL_FEW_MS = 5000;
const GOAL_MANY_MS = 30_000;
const IN_FLIGHT_MAX = 4096;
const HOUR_MS = 3_600_000;
const CATCH_UP_TIMEOUT_MS = 600_000;
const MIB = 2 ** 20;

/** How long a start takes with much behind it, and with much before it. The logs are copies of two real runs. */
export const measureStartup = async (
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly StartupFigures[]> => {
  const many = await measure(options, { finishedEvents: 0, open: options.runs }, say);
  say(
    verdict(`${options.runs.toLocaleString('en')} open runs: ready in ${GOAL_MANY_MS} ms`, many.readyMs, GOAL_MANY_MS),
  );
  const few = await measure(options, { finishedEvents: FINISHED_EVENTS, open: FEW_OPEN }, say);
  say(verdict(`a million events of finished runs: ready in ${GOAL_FEW_MS} ms`, few.readyMs, GOAL_FEW_MS));
  return [few, many];
};

const verdict = (goal: string, ms: number, mostMs: number): string =>
  `goal: ${goal}: ${ms.toFixed(0)}, ${ms <= mostMs ? 'reached' : 'MISSED'}`;

type Amounts = { readonly finishedEvents: number; readonly open: number };

const measure = async (
  options: BenchOptions,
  amounts: Amounts,
  say: (line: string) => void,
): Promise<StartupFigures> => {
  const folder = await tempFolder('startup', options.folder ?? undefined);
  const app = await startSampleApp(0);
  try {
    const { finished, waiting, emptyBytes } = await templates(options, folder.path, app.url);
    const finishedRuns = Math.ceil(amounts.finishedEvents / finished.length);
    const sinceMs = performance.now();
    await copyRuns(folder.path, [
      { name: 'finished', events: finished, count: finishedRuns },
      { name: 'open', events: waiting, count: amounts.open },
    ]);
    const events = finishedRuns * finished.length + amounts.open * waiting.length;
    say(`${events.toLocaleString('en')} events written in ${((performance.now() - sinceMs) / 1000).toFixed(1)} s`);
    const first = await startTimed(options, folder.path);
    say(`first start: ready in ${first.readyMs.toFixed(0)} ms`);
    await viewsCaughtUp(first.server);
    await first.server.stop();
    const second = await startTimed(options, folder.path);
    await pause(1000);
    const resident = residentBytes(second.server.child.pid);
    const perRun = (resident - emptyBytes) / amounts.open;
    say(`start again: ready in ${second.readyMs.toFixed(0)} ms, ${(resident / MIB).toFixed(0)} MiB`);
    await second.server.stop();
    return {
      finishedRuns,
      openRuns: amounts.open,
      events,
      firstReadyMs: first.readyMs,
      readyMs: second.readyMs,
      residentMiBAtReady: resident / MIB,
      residentBytesPerOpenRun: perRun,
    };
  } finally {
    await app.child.stop();
    await folder.remove();
  }
};

type Templates = {
  readonly finished: readonly RecordedEvent[];
  readonly waiting: readonly RecordedEvent[];
  readonly emptyBytes: number;
};

/** Two runs that the server itself made: one finished, one that waits an hour for its next attempt. */
const templates = async (options: BenchOptions, dataDir: string, target: string): Promise<Templates> => {
  const server = await startBenchServer({ ...options, cpuProf: false }, { dataDir });
  try {
    await pause(1000);
    const emptyBytes = residentBytes(server.child.pid);
    const retry = { initialIntervalMs: HOUR_MS, maxIntervalMs: HOUR_MS, jitter: 'none' };
    const step = { type: 'step', name: 'flaky', url: '/steps/flaky?failures=1' };
    for (const [name, definition] of Object.entries(definitions(target))) await publish(server.url, name, definition);
    await publish(server.url, 'bench-waiting', { target, retry, root: step });
    const finished = await startOne(server.url, 'bench-flow', (run) => run.status === 'completed');
    const waiting = await startOne(server.url, 'bench-waiting', (run) =>
      run.waiting.some((one) => one.for === 'retry'),
    );
    await server.stop();
    const store = new SqliteEventStore({ folder: dataDir, onFatal: fail });
    await store.start();
    const read = (id: string): Promise<readonly RecordedEvent[]> => store.readStream(runStream(id));
    const [finishedEvents, waitingEvents] = await Promise.all([read(finished), read(waiting)]);
    await store.stop();
    return { finished: finishedEvents, waiting: waitingEvents, emptyBytes };
  } finally {
    await server.abandon();
  }
};

const fail = (fault: unknown): void => {
  throw fault;
};

const startOne = async (url: string, workflow: string, reached: (run: RunShape) => boolean): Promise<string> => {
  const headers = { 'idempotency-key': `template-${workflow}` };
  const answer = await httpCall('POST', `${url}/v1/runs`, { headers, body: startBody(workflow) });
  if (answer.status !== 201) throw new Error(`starting ${workflow} answered ${answer.status}: ${answer.text}`);
  const { id } = JSON.parse(answer.text) as RunShape;
  return eventually(`a template of ${workflow}`, async () => {
    const run = JSON.parse((await httpCall('GET', `${url}/v1/runs/${id}`)).text) as RunShape;
    return reached(run) ? id : null;
  });
};

type Copies = { readonly name: string; readonly events: readonly RecordedEvent[]; readonly count: number };

/** Appends each template many times under fresh ids, one append a run. */
const copyRuns = async (folder: string, kinds: readonly Copies[]): Promise<void> => {
  const store = new SqliteEventStore({ folder, onFatal: fail });
  await store.start();
  const envelope = { commandId: systemEntropy.hex(16), recordedAt: systemClock.now(), actor: null, traceparent: null };
  let inFlight = 0;
  let resume: (() => void) | null = null;
  for (const { name, events, count } of kinds) {
    const [started, ...rest] = events.map(({ type, v, data }): NewEvent => ({ type, v, data }));
    // What a run is called is in its first event alone.
    const first = JSON.parse(started!.data) as Record<string, unknown>;
    for (let index = 0; index < count; index++) {
      const key = `${name}-${index}`;
      const id = sha256Base32(`bench\n${key}`, 128);
      const opening = { ...started!, data: JSON.stringify({ ...first, id, key }) };
      inFlight++;
      store.append({ stream: runStream(id), expected: NO_STREAM, events: [opening, ...rest], envelope }, (outcome) => {
        inFlight--;
        if (outcome.status !== 'appended') fail(new Error(`an append gave ${outcome.status}`));
        resume?.();
      });
      while (inFlight >= IN_FLIGHT_MAX) await new Promise<void>((resolve) => (resume = resolve));
    }
  }
  while (inFlight > 0) await new Promise<void>((resolve) => (resume = resolve));
  await store.stop();
};

const startTimed = async (
  options: BenchOptions,
  dataDir: string,
): Promise<{ readonly server: BenchServer; readonly readyMs: number }> => {
  const sinceMs = performance.now();
  const server = await startBenchServer(options, { dataDir });
  return { server, readyMs: performance.now() - sinceMs };
};

/** The views have seen a run that was started now, hence everything before it. */
const viewsCaughtUp = async (server: BenchServer): Promise<void> => {
  const id = await startOne(server.url, 'bench-single', (run) => run.status === 'completed');
  const { headers } = await httpCall('GET', `${server.url}/v1/runs/${id}`);
  const position = String(headers['stepwell-position']);
  await eventually(
    'the views',
    async () => {
      const list = await httpCall('GET', `${server.url}/v1/runs?limit=1`, {
        headers: { 'stepwell-min-position': position },
      });
      return list.status === 200 ? true : null;
    },
    CATCH_UP_TIMEOUT_MS,
  );
};
