import { startPostgres } from '../../../../test/support/postgres.js';
import type { Commit, Position } from '#event-store';
import { LOG_START } from '#event-store';
import { systemClock } from '#runtime';
import { logPages } from '../rebuild.js';
import { TestLog, threeStepFlow } from '../testing/histories.js';
import { PostgresViewStore } from './postgres-view-store.js';
import { rebuildPostgresViews } from './rebuild-postgres-views.js';

// Events a second of the views in Postgres, for runs of the three-step flow (4 appends, 17 events): kept in batches as a
// projector at work hands them over, then rebuilt as a whole.
// node dist/libs/views/src/postgres/postgres-views.bench.js [runs] [runs a batch]

const RUNS = Number(process.argv[2] ?? 40_000);
const RUNS_A_BATCH = Number(process.argv[3] ?? 1_000);

const logOfFlows = async (): Promise<TestLog> => {
  const log = new TestLog();
  for (let from = 0; from < RUNS; from += RUNS_A_BATCH) {
    const wave = Array.from({ length: RUNS_A_BATCH }, (_, index) => `run ${from + index}`);
    for (let append = 0; append < 4; append++)
      for (const name of wave) await log.append(name, threeStepFlow(name)[append]!);
  }
  return log;
};

const report = (what: string, events: number, startMs: number, cpu: NodeJS.CpuUsage): void => {
  const ms = systemClock.monotonicMs() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${what}: ${Math.round((events * 1_000) / ms).toLocaleString('en-US')} events a second, ` +
      `${((ms * 1_000) / (events / 17)).toFixed(1)} µs a run, of which ${((user + system) / (events / 17)).toFixed(1)} µs CPU here`,
  );
};

const log = await logOfFlows();
const events = RUNS * 17;
const commits = await log.commits();
const postgres = await startPostgres();
try {
  const views = new PostgresViewStore(postgres.url);
  await views.start();
  const startMs = systemClock.monotonicMs();
  const cpu = process.cpuUsage();
  for (let from = 0, after: Position = LOG_START; from < commits.length; from += RUNS_A_BATCH * 4) {
    const batch: readonly Commit[] = commits.slice(from, from + RUNS_A_BATCH * 4);
    const through = batch.at(-1)!.position;
    await views.apply({ after, through, commits: batch });
    after = through;
  }
  report(`kept in batches of ${RUNS_A_BATCH} runs`, events, startMs, cpu);
  const rebuildMs = systemClock.monotonicMs();
  const rebuildCpu = process.cpuUsage();
  const options = { onProgress: () => {}, signal: new AbortController().signal };
  await rebuildPostgresViews(logPages(log.store), postgres.url, options);
  report('rebuilt', events, rebuildMs, rebuildCpu);
  await views.stop();
} finally {
  await postgres.stop();
}
