/**
 * npm run bench:cluster: the three-step flow on the production shape, with 1 and 3 dispatchers, beside a floor that makes the
 * same appends to the same event store and the same POSTs. The event store is a real one by its URL, else the double of it.
 */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { commandLine } from '#runtime';
import { Cluster } from '../cluster/cluster.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { built, Child } from '../support/processes.js';
import { tempFolder } from '../support/temp-folder.js';
import { machine } from './machine.js';
import { definitions, measure, medians, startBody, type Sample, type Side } from './throughput.js';
import { publish } from './server.js';

/** The goals; a missed one is said, and does not fail the command. */
const SHARE_OF_FLOOR_AT_256 = 0.6;
const P50_TIMES_FLOOR_AT_1 = 2.5;
const WARM_SECONDS = 1;
/** Some 15,000 runs on a slow box. Before that what is measured is V8's compiler: a run costs each process up to twice as much. */
const FIRST_WARM_SECONDS = 30;
const WARM_CONCURRENCY = 256;

const USAGE = `usage: npm run bench:cluster -- [options]
  --seconds <n>        of each measured window (4)
  --rounds <n>         alternating rounds, medians are shown (3)
  --concurrency <n,…>  of the three-step flow (1,64,256)
  --dispatchers <n,…>  one shape after the other (1,3)
  --cpu-prof           each process writes a CPU profile into this folder when it stops
  --out <file>         where the JSON goes (bench-cluster.json in the temporary folder)`;

const { values } = commandLine(USAGE, (args) =>
  parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      concurrency: { type: 'string', default: '1,64,256' },
      dispatchers: { type: 'string', default: '1,3' },
      'cpu-prof': { type: 'boolean', default: false },
      out: { type: 'string', default: join(tmpdir(), 'bench-cluster.json') },
    },
  }),
);
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const concurrency = values.concurrency.split(',').map(Number);

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

type Row = {
  readonly dispatchers: number;
  readonly concurrency: number;
  readonly floor: ReturnType<typeof medians>;
  readonly cluster: ReturnType<typeof medians>;
  /** Of Postgres, by all apps, what they do without any run included; `null` where the server does not count. */
  readonly statementsPerRun: number | null;
};

const measureShape = async (dispatchers: number): Promise<readonly Row[]> => {
  const folder = await tempFolder('bench-cluster');
  const cluster = await Cluster.start(folder.path, {
    apis: 1,
    dispatchers,
    projectors: 1,
    direct: true,
    ...(values['cpu-prof'] && { profilesTo: process.cwd() }),
  });
  const api = cluster.apis[0]!;
  let floorChild: Child | null = null;
  try {
    for (const [name, definition] of Object.entries(definitions(cluster.app.url)))
      await publish(api.url, name, definition);
    floorChild = new Child('floor', built('test/bench/cluster-floor.js'), {
      args: [cluster.env['STEPWELL_EVENTSTOREDB_URL']!, cluster.app.url, ...(await finishedRuns(api.url))],
    });
    const [, floorUrl] = await floorChild.printed(/floor on (http:\S+)/);
    const floor: Side = {
      url: floorUrl!,
      pid: floorChild.pid,
      appends: async () => (JSON.parse((await httpCall('GET', floorUrl!)).text) as { appends: number }).appends,
    };
    // The processor time shown is that of the API.
    const shape: Side = { url: api.url, pid: api.child!.pid, appends: () => cluster.appends() };
    // Of three dispatchers each has a third of the runs, and is warm after three times as long.
    const warmSeconds = FIRST_WARM_SECONDS * dispatchers;
    for (const side of [floor, shape]) await measure(side, 'bench-flow', WARM_CONCURRENCY, warmSeconds, 0.5);
    const rows: Row[] = [];
    for (const at of concurrency) {
      const samples: { readonly floor: Sample[]; readonly cluster: Sample[] } = { floor: [], cluster: [] };
      // Around the windows, warming up included; appends tell how many runs that were.
      let [statements, appends]: [number | null, number] = [0, 0];
      for (let round = 0; round < rounds; round++) {
        samples.floor.push(await measure(floor, 'bench-flow', at, WARM_SECONDS, seconds));
        const before = [await cluster.statements(), await cluster.appends()] as const;
        samples.cluster.push(await measure(shape, 'bench-flow', at, WARM_SECONDS, seconds));
        const after = [await cluster.statements(), await cluster.appends()] as const;
        statements =
          statements === null || before[0] === null || after[0] === null ? null : statements + after[0] - before[0];
        appends += after[1] - before[1];
      }
      const shapeFigures = medians(samples.cluster);
      const row = {
        dispatchers,
        concurrency: at,
        floor: medians(samples.floor),
        cluster: shapeFigures,
        statementsPerRun:
          statements === null ? null : (statements / appends) * (shapeFigures.appendsPerRun ?? Number.NaN),
      };
      rows.push(row);
      sayRow(row);
    }
    return rows;
  } finally {
    await floorChild?.stop();
    await cluster.stop();
    await folder.remove();
  }
};

const MODELS = 20;

/** Ids of runs for the floor to learn from what a run appends. */
const finishedRuns = async (url: string): Promise<readonly string[]> => {
  const ids: string[] = [];
  // A real server remembers the runs of the last bench.
  const since = Date.now();
  for (let model = 0; model < MODELS; model++) {
    const headers = { 'idempotency-key': `bench-model-${since}-${model}`, prefer: 'wait=10' };
    const answer = await httpCall('POST', `${url}/v1/runs`, { headers, body: startBody('bench-flow') });
    const run = JSON.parse(answer.text) as { readonly id: string; readonly status: string };
    if (run.status !== 'completed') throw new Error(`a model of the floor's appends: ${answer.status} ${answer.text}`);
    ids.push(run.id);
  }
  return ids;
};

const sayRow = ({ dispatchers, concurrency: at, floor, cluster, statementsPerRun }: Row): void => {
  const share = cluster.runsPerSecond / floor.runsPerSecond;
  const times = cluster.p50Ms / floor.p50Ms;
  say(
    `${dispatchers} dispatchers, ${String(at).padStart(3)} at once: floor ${floor.runsPerSecond.toFixed(0)}/s p50 ${floor.p50Ms.toFixed(2)} ms · ` +
      `Stepwell ${cluster.runsPerSecond.toFixed(0)}/s p50 ${cluster.p50Ms.toFixed(2)} p99 ${cluster.p99Ms.toFixed(1)} ms · ` +
      `share ${share.toFixed(2)}, p50 ${times.toFixed(2)} times`,
  );
  say(
    `  appends a run: floor ${floor.appendsPerRun?.toFixed(2)}, Stepwell ${cluster.appendsPerRun?.toFixed(2)}; ` +
      `statements a run: ${statementsPerRun?.toFixed(2) ?? 'not counted by this Postgres'}`,
  );
  if (at === 256)
    say(`  goal: ${SHARE_OF_FLOOR_AT_256} of the floor: ${share >= SHARE_OF_FLOOR_AT_256 ? 'reached' : 'MISSED'}`);
  if (at === 1)
    say(`  goal: p50 at most ${P50_TIMES_FLOOR_AT_1} times: ${times <= P50_TIMES_FLOOR_AT_1 ? 'reached' : 'MISSED'}`);
};

try {
  const box = machine();
  say(
    `bench cluster · Node ${box.node} · ${box.cores} × ${box.processor} · ${box.system} · commit ${box.commit ?? 'unknown'}`,
  );
  const rows: Row[] = [];
  for (const dispatchers of values.dispatchers.split(',').map(Number)) rows.push(...(await measureShape(dispatchers)));
  await writeFile(values.out, `${JSON.stringify({ machine: box, rows }, null, 2)}\n`);
  say(`written to ${values.out}`);
} finally {
  closeConnections();
}
