import { startSampleApp } from '../support/apps.js';
import { httpCall } from '../support/http-client.js';
import { built, Child } from '../support/processes.js';
import { tempFolder } from '../support/temp-folder.js';
import { applyLoad } from './load.js';
import type { BenchOptions } from './options.js';
import { cpuBetween, readFigures, type ProcessFigures } from './process-figures.js';
import { publish, startBenchServer, type BenchServer } from './server.js';

/** What one side did in one row, medians over the rounds. */
export type SideFigures = {
  readonly runsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerRun: number;
  readonly cpuUsPerRunByThread: Readonly<Record<string, number>>;
  readonly writtenBytesPerRun: number;
  readonly appendsPerRun: number | null;
  readonly rounds: readonly number[];
};

export type ThroughputRow = {
  readonly flow: 'three-step' | 'single-step';
  readonly concurrency: number;
  readonly floor: SideFigures;
  readonly stepwell: SideFigures;
  readonly shareOfFloor: number;
  readonly p50TimesFloor: number;
};

/** One side of the comparison: where to send, whose figures to read, how many appends it has made. */
export type Side = { readonly url: string; readonly pid: number; readonly appends: () => Promise<number | null> };
export type Sample = Omit<SideFigures, 'rounds'>;

const WARM_SECONDS = 1;
/** A JIT that has seen little is not what is measured: compiling goes on in the background for some 20,000 runs. */
const FIRST_WARM_SECONDS = 15;
const INPUT = { name: 'Ada Lovelace', email: 'ada@example.com' };

export const definitions = (target: string): Readonly<Record<string, unknown>> => {
  const step = (name: string): unknown => ({ type: 'step', name, url: `/steps/${name}` });
  return {
    'bench-flow': {
      target,
      root: {
        type: 'sequence',
        steps: [step('create-user'), { type: 'parallel', branches: [step('send-email'), step('send-analytics')] }],
      },
    },
    'bench-single': { target, root: step('create-user') },
  };
};

export const startBody = (workflow: string): string => JSON.stringify({ workflow, input: INPUT });

/** Floor and Stepwell in turns, with the same driver and the same application, on the same box. */
export const measureThroughput = async (
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly ThroughputRow[]> => {
  const app = await startSampleApp(0);
  const floorFolder = await tempFolder('floor', options.folder ?? undefined);
  const floorChild = new Child('floor', built('test/bench/floor.js'), { args: [floorFolder.path, app.url] });
  let server: BenchServer | null = null;
  try {
    server = await startBenchServer(options);
    const [, floorUrl] = await floorChild.printed(/floor on (http:\S+)/);
    const floor: Side = {
      url: floorUrl!,
      pid: floorChild.pid,
      appends: async () => (JSON.parse((await httpCall('GET', floorUrl!)).text) as { appends: number }).appends,
    };
    const stepwell: Side = { url: server.url, pid: server.child.pid, appends: server.appends };
    for (const [name, definition] of Object.entries(definitions(app.url))) await publish(server.url, name, definition);
    const rows = [
      ...options.concurrency.map((concurrency) => ({ flow: 'three-step', concurrency }) as const),
      { flow: 'single-step', concurrency: Math.max(...options.concurrency) } as const,
    ];
    for (const side of [floor, stepwell]) await measure(side, 'bench-flow', 64, FIRST_WARM_SECONDS, 0.5);
    const measured: ThroughputRow[] = [];
    for (const { flow, concurrency } of rows) {
      const samples: { readonly floor: Sample[]; readonly stepwell: Sample[] } = { floor: [], stepwell: [] };
      const workflow = flow === 'three-step' ? 'bench-flow' : 'bench-single';
      for (let round = 1; round <= options.rounds; round++) {
        samples.floor.push(await measure(floor, workflow, concurrency, WARM_SECONDS, options.seconds));
        samples.stepwell.push(await measure(stepwell, workflow, concurrency, WARM_SECONDS, options.seconds));
        const [of, ours] = [samples.floor.at(-1)!, samples.stepwell.at(-1)!];
        say(
          `${flow} at ${concurrency}, round ${round}: floor ${whole(of.runsPerSecond)}/s, Stepwell ${whole(ours.runsPerSecond)}/s`,
        );
      }
      const [ofFloor, ours] = [medians(samples.floor), medians(samples.stepwell)];
      measured.push({
        flow,
        concurrency,
        floor: ofFloor,
        stepwell: ours,
        shareOfFloor: ours.runsPerSecond / ofFloor.runsPerSecond,
        p50TimesFloor: ours.p50Ms / ofFloor.p50Ms,
      });
    }
    await server.stop();
    return measured;
  } finally {
    await Promise.all([floorChild.stop(), app.child.stop(), server?.abandon()]);
    await floorFolder.remove();
  }
};

const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** One window of load on one side. */
export const measure = async (
  side: Side,
  workflow: string,
  concurrency: number,
  warmSeconds: number,
  seconds: number,
): Promise<Sample> => {
  let before: ProcessFigures = readFigures(side.pid);
  let after = before;
  let appendsBefore: number | null = null;
  const order = {
    url: side.url,
    bodies: [startBody(workflow)],
    concurrency,
    warmSeconds,
    seconds,
    count: null,
    reportEvery: 1,
  };
  const load = await applyLoad(order, {
    measuring: async () => {
      before = readFigures(side.pid);
      appendsBefore = await side.appends();
    },
    measured: () => {
      after = readFigures(side.pid);
    },
  });
  const appendsAfter = await side.appends();
  const byThread = cpuBetween(before, after).map(([name, us]) => [name, us / load.runs] as const);
  return {
    runsPerSecond: load.runs / load.seconds,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    cpuUsPerRun: byThread.reduce((sum, [, us]) => sum + us, 0),
    cpuUsPerRunByThread: Object.fromEntries(byThread),
    writtenBytesPerRun: (after.writtenBytes - before.writtenBytes) / load.runs,
    // The runs that were under way at the end are done by now, those at the beginning were not yet: they cancel out.
    appendsPerRun:
      appendsBefore === null || appendsAfter === null
        ? null
        : (appendsAfter - appendsBefore) / (load.runs + concurrency / 2),
  };
};

export const medians = (samples: readonly Sample[]): SideFigures => {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  const threads = new Set(samples.flatMap((sample) => Object.keys(sample.cpuUsPerRunByThread)));
  const byThread = [...threads].map((name) => [name, of((sample) => sample.cpuUsPerRunByThread[name] ?? 0)] as const);
  return {
    runsPerSecond: of((sample) => sample.runsPerSecond),
    p50Ms: of((sample) => sample.p50Ms),
    p99Ms: of((sample) => sample.p99Ms),
    cpuUsPerRun: of((sample) => sample.cpuUsPerRun),
    cpuUsPerRunByThread: Object.fromEntries(byThread.sort(([, left], [, right]) => right - left)),
    writtenBytesPerRun: of((sample) => sample.writtenBytesPerRun),
    appendsPerRun: samples.some((sample) => sample.appendsPerRun === null)
      ? null
      : of((sample) => sample.appendsPerRun!),
    rounds: samples.map((sample) => sample.runsPerSecond),
  };
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
