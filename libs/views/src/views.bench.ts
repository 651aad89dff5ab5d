import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Position } from '#event-store';
import { LOG_START } from '#event-store';
import { SqliteViews } from './sqlite/sqlite-views.js';
import { TestLog, threeStepFlow } from './testing/histories.js';
import type { Batch } from './view-store.js';

// CPU of the views' thread for a run of the three-step flow (4 appends, 17 events), parsing and the way in included.
// node dist/libs/views/src/views.bench.js [runs] [runs a batch]

const RUNS = Number(process.argv[2] ?? 40_000);
const RUNS_A_BATCH = Number(process.argv[3] ?? 1_000);
const WARM_UP_RUNS = RUNS / 4;

/** Batches as the projector hands them over: waves of runs, their appends interleaved. */
const batchOf = async (from: number, after: Position): Promise<Batch> => {
  const log = new TestLog();
  const flows = Array.from({ length: RUNS_A_BATCH }, (_, index) => `run ${from + index}`);
  const wave = flows.map((name) => ({ name, appends: threeStepFlow(name) }));
  for (let append = 0; append < 4; append++) {
    for (const { name, appends } of wave) await log.append(name, appends[append]!, from);
  }
  const start = Math.max(after, 0);
  const commits = (await log.commits()).map((commit) => ({
    ...commit,
    position: (commit.position + start) as Position,
  }));
  return { after, through: commits.at(-1)!.position, commits };
};

if (isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), 'views-bench-'));
  const worker = new Worker(new URL(import.meta.url), { workerData: folder, argv: process.argv.slice(2) });
  const answer = (): Promise<number[]> => new Promise((resolve) => worker.once('message', resolve));
  await answer();
  let after: Position = LOG_START;
  const cpu: number[] = [];
  let warm: number[] = [];
  let last: number[] = [];
  for (let from = 0; from < RUNS; from += RUNS_A_BATCH) {
    const batch = await batchOf(from, after);
    worker.postMessage(batch);
    const figures = await answer();
    if (from < WARM_UP_RUNS) warm = figures;
    else cpu.push((figures[0]! + figures[1]! - (last[0] ?? 0) - (last[1] ?? 0)) / RUNS_A_BATCH);
    last = figures;
    after = batch.through;
  }
  const counted = cpu.length * RUNS_A_BATCH;
  cpu.sort((a, b) => a - b);
  console.log(
    `${counted} runs after a warm-up, batches of ${RUNS_A_BATCH}: ` +
      `user ${((last[0]! - warm[0]!) / counted).toFixed(1)} + system ${((last[1]! - warm[1]!) / counted).toFixed(1)} µs a run; ` +
      `median batch ${cpu[cpu.length >> 1]!.toFixed(1)}, best ${cpu[0]!.toFixed(1)}`,
  );
  await worker.terminate();
  rmSync(folder, { recursive: true });
} else {
  const views = await SqliteViews.open(join(String(workerData), 'bench.sqlite'));
  const report = (): void => {
    const { user, system } = process.threadCpuUsage();
    parentPort!.postMessage([user, system]);
  };
  parentPort!.on('message', (batch: Batch) => {
    views.apply(batch);
    report();
  });
  report();
}
