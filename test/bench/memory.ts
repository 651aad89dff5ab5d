import { startSampleApp } from '../support/apps.js';
import { applyLoad } from './load.js';
import type { BenchOptions } from './options.js';
import { residentBytes } from './process-figures.js';
import { publish, startBenchServer } from './server.js';
import { definitions, startBody } from './throughput.js';

export type MemoryFigures = {
  readonly runs: number;
  readonly firstRuns: number;
  readonly residentMiBAtFirst: number;
  readonly residentMiBAtEnd: number;
  readonly residentMiBAtMost: number;
  readonly ratio: number;
  readonly runsPerSecond: number;
};

const FIRST_RUNS = 20_000;
const GOAL_RATIO = 1.5;
const SAMPLE_MS = 250;
const MIB = 2 ** 20;

/** Many runs in one go: the memory at the end against that after the first tenth. */
export const measureMemory = async (options: BenchOptions, say: (line: string) => void): Promise<MemoryFigures> => {
  const server = await startBenchServer(options);
  const app = await startSampleApp(0);
  const { pid } = server.child;
  let most = 0;
  const sampler = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, SAMPLE_MS);
  try {
    for (const [name, definition] of Object.entries(definitions(app.url))) await publish(server.url, name, definition);
    let atFirst = 0;
    const order = {
      url: server.url,
      bodies: [startBody('bench-flow')],
      concurrency: 256,
      warmSeconds: 0,
      seconds: 0,
      count: options.runs,
      reportEvery: FIRST_RUNS,
    };
    const load = await applyLoad(order, {
      progress: (runs) => {
        const resident = residentBytes(pid);
        if (runs === FIRST_RUNS) atFirst = resident;
        say(`${runs.toLocaleString('en').padStart(9)} runs  ${(resident / MIB).toFixed(0).padStart(5)} MiB`);
      },
    });
    const atEnd = residentBytes(pid);
    const ratio = atEnd / atFirst;
    say(
      `goal: at the end at most ${GOAL_RATIO} times that after ${FIRST_RUNS}: ${ratio.toFixed(2)}, ${ratio <= GOAL_RATIO ? 'reached' : 'MISSED'}`,
    );
    await server.stop();
    return {
      runs: load.runs,
      firstRuns: FIRST_RUNS,
      residentMiBAtFirst: atFirst / MIB,
      residentMiBAtEnd: atEnd / MIB,
      residentMiBAtMost: most / MIB,
      ratio,
      runsPerSecond: load.runs / load.seconds,
    };
  } finally {
    clearInterval(sampler);
    await Promise.all([app.child.stop(), server.abandon()]);
  }
};
