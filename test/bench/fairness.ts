import { CountingApplication } from '../support/counting-application.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import type { BenchOptions } from './options.js';
import { publish, startBenchServer, type BenchServer } from './server.js';

export type FairnessFigures = {
  readonly queuedRunsOfA: number;
  readonly queuedAtEnd: number;
  readonly concurrency: number;
  readonly answerMs: number;
  readonly samples: number;
  readonly p50MsIdle: number;
  readonly p50MsLoaded: number;
  readonly p99MsIdle: number;
  readonly p99MsLoaded: number;
  readonly ratio: number;
};

const CONCURRENCY = 10;
/**
 * On average; from half of it to one and a half. If all took the same, the slots would fall free in step, and the wait for one
 * would be half of what is measured.
 */
const ANSWER_MS = 100;
const answerMs = (request: number): number => ANSWER_MS / 2 + ((request * 37) % (ANSWER_MS + 1));
const GOAL_RATIO = 2;
const STARTS_AT_ONCE = 64;
/** Some are served while others are started. */
const MORE_RUNS = 100;
const WARM_RUNS = 10;

/**
 * Namespace B starts a run a second and waits for its end, alone and then with many runs of namespace A in line at the
 * same target. As many of A wait at the end as were asked for, at least: what is served meanwhile is started on top.
 */
export const measureFairness = async (options: BenchOptions, say: (line: string) => void): Promise<FairnessFigures> => {
  const application = new CountingApplication(answerMs);
  const target = await application.start();
  const limits = [{ kind: 'target', name: target, concurrency: CONCURRENCY }];
  const server = await startBenchServer(options, { env: { STEPWELL_LIMITS: JSON.stringify(limits) } });
  try {
    await publish(server.url, 'fair', { target, root: { type: 'step', name: 'work', url: '/work' } });
    for (let run = 0; run < WARM_RUNS; run++) await runOfB(server.url, `warm-${run}`);
    const idle = await sample(server.url, 'idle', options.samples);
    say(`idle: ${figures(idle)}`);
    const servedMeanwhile = Math.ceil((CONCURRENCY * options.samples * 1_000) / ANSWER_MS);
    let started = 0;
    for (;;) {
      const lacking = options.runs + servedMeanwhile - (await waiting(server));
      if (lacking <= 0) break;
      await startMany(server.url, started, lacking + MORE_RUNS);
      started += lacking + MORE_RUNS;
    }
    say(`${(await waiting(server)).toLocaleString('en')} runs of A wait`);
    const loaded = await sample(server.url, 'loaded', options.samples);
    const queuedAtEnd = await waiting(server);
    say(`beside them: ${figures(loaded)}; ${queuedAtEnd.toLocaleString('en')} of A still wait`);
    if (queuedAtEnd < options.runs) throw new Error(`fewer than ${options.runs} runs waited at the end`);
    if (application.peak > CONCURRENCY) throw new Error(`${application.peak} requests were in flight at a time`);
    const ratio = at(loaded, 0.99) / at(idle, 0.99);
    say(
      `goal: the p99 of B at most ${GOAL_RATIO} times that of an idle service: ${ratio.toFixed(2)}, ${ratio <= GOAL_RATIO ? 'reached' : 'MISSED'}`,
    );
    return {
      queuedRunsOfA: options.runs,
      queuedAtEnd,
      concurrency: CONCURRENCY,
      answerMs: ANSWER_MS,
      samples: options.samples,
      p50MsIdle: at(idle, 0.5),
      p50MsLoaded: at(loaded, 0.5),
      p99MsIdle: at(idle, 0.99),
      p99MsLoaded: at(loaded, 0.99),
      ratio,
    };
  } finally {
    await Promise.all([application.stop(), options.cpuProf ? server.stop() : server.abandon()]);
  }
};

/** How long B's runs took, one a second, in order of length. */
const sample = async (url: string, name: string, count: number): Promise<readonly number[]> => {
  const tookMs: Promise<number>[] = [];
  for (let run = 0; run < count; run++) {
    // Whatever became of the one before: the next begins on time.
    tookMs.push(runOfB(url, `${name}-${run}`));
    await pause(1_000);
  }
  return (await Promise.all(tookMs)).sort((a, b) => a - b);
};

const runOfB = async (url: string, key: string): Promise<number> => {
  const fromMs = performance.now();
  const answer = await httpCall('POST', `${url}/v1/runs`, {
    body: { workflow: 'fair', namespace: 'b' },
    headers: { 'idempotency-key': key, prefer: 'wait=60' },
    timeoutMs: 70_000,
  });
  if (answer.status !== 200) throw new Error(`a run of B gave ${answer.status}: ${answer.text}`);
  return performance.now() - fromMs;
};

const startMany = async (url: string, first: number, count: number): Promise<void> => {
  let next = first;
  const client = async (): Promise<void> => {
    while (next < first + count) {
      const answer = await httpCall('POST', `${url}/v1/runs`, {
        body: { workflow: 'fair', namespace: 'a' },
        headers: { 'idempotency-key': `queued-${next++}` },
      });
      if (answer.status !== 201) throw new Error(`a run of A gave ${answer.status}: ${answer.text}`);
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, client));
};

const waiting = async ({ url }: BenchServer): Promise<number> => {
  const node = JSON.parse((await httpCall('GET', `${url}/v1/node`)).text) as { attempts: { waiting: number } };
  return node.attempts.waiting;
};

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

const figures = (sorted: readonly number[]): string =>
  `p50 ${at(sorted, 0.5).toFixed(1)} ms, p99 ${at(sorted, 0.99).toFixed(1)} ms, at most ${at(sorted, 1).toFixed(1)} ms`;
