import { httpCall } from '../support/http-client.js';
import { built, Child } from '../support/processes.js';
import { applyLoad, type Measured } from './load.js';
import type { BenchOptions } from './options.js';
import { publish, startBenchServer } from './server.js';
import { median, startBody } from './throughput.js';

export type BlackHoleFigures = {
  readonly origins: number;
  readonly hangingRunsPerBadOrigin: number;
  readonly runsPerSecondAlone: number;
  readonly runsPerSecondBesideBad: number;
  readonly kept: number;
  readonly p99MsAlone: number;
  readonly p99MsBesideBad: number;
};

const ORIGINS = 20;
const BAD_STEPS = ['black-hole', 'drip', 'reset'] as const;
const CONNECTIONS_PER_ORIGIN = 4;
const GOAL_KEPT = 0.9;
const STARTS_AT_ONCE = 32;

/**
 * Twenty origins under load, three of them bad: one never answers, one drips, one resets. The other seventeen are
 * measured alone and beside the bad ones, in turns.
 */
export const measureBlackHole = async (
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BlackHoleFigures> => {
  const server = await startBenchServer(options);
  const origins = new Child('origins', built('test/bench/origins.js'), { args: [String(ORIGINS)] });
  try {
    const [, text] = await origins.printed(/origins (\[.*\])/);
    const urls = JSON.parse(text!) as readonly string[];
    const names = urls.map((_, index) => `origin-${index}`);
    for (const [index, url] of urls.entries()) {
      const step = BAD_STEPS[index] ?? 'send-email';
      await publish(server.url, names[index]!, {
        target: url,
        root: { type: 'step', name: step, url: `/steps/${step}` },
      });
    }
    const healthy = names.slice(BAD_STEPS.length);
    const bodies = healthy.map(startBody);
    const order = {
      url: server.url,
      bodies,
      concurrency: healthy.length * CONNECTIONS_PER_ORIGIN,
      warmSeconds: 1,
      seconds: options.seconds,
      count: null,
      reportEvery: 1,
    };
    await applyLoad({ ...order, warmSeconds: 3, seconds: 0.5 });
    const alone: Measured[] = [];
    for (let round = 1; round <= options.rounds; round++) alone.push(await applyLoad(order));
    say(`alone: ${alone.map((load) => Math.round(load.runs / load.seconds)).join(', ')} runs/s`);
    const bad = names.slice(0, BAD_STEPS.length);
    for (const name of bad) await startMany(server.url, name, options.pressure);
    say(`${options.pressure} runs hang at each of ${BAD_STEPS.join(', ')}`);
    const beside: Measured[] = [];
    for (let round = 1; round <= options.rounds; round++) beside.push(await applyLoad(order));
    say(`beside the bad: ${beside.map((load) => Math.round(load.runs / load.seconds)).join(', ')} runs/s`);
    const rate = (loads: readonly Measured[]): number => median(loads.map((load) => load.runs / load.seconds));
    const kept = rate(beside) / rate(alone);
    say(
      `goal: the others keep ${GOAL_KEPT} of their throughput: ${kept.toFixed(2)}, ${kept >= GOAL_KEPT ? 'reached' : 'MISSED'}`,
    );
    return {
      origins: ORIGINS,
      hangingRunsPerBadOrigin: options.pressure,
      runsPerSecondAlone: rate(alone),
      runsPerSecondBesideBad: rate(beside),
      kept,
      p99MsAlone: median(alone.map((load) => load.p99Ms)),
      p99MsBesideBad: median(beside.map((load) => load.p99Ms)),
    };
  } finally {
    // The hanging exchanges are of no interest any more: their server would wait for them.
    await Promise.all([origins.stop(), server.abandon()]);
  }
};

const startMany = async (url: string, workflow: string, count: number): Promise<void> => {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) {
      const key = `hang-${workflow}-${next++}`;
      const answer = await httpCall('POST', `${url}/v1/runs`, {
        body: startBody(workflow),
        headers: { 'idempotency-key': key },
      });
      if (answer.status !== 201) throw new Error(`starting ${workflow} gave ${answer.status}: ${answer.text}`);
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, client));
};
