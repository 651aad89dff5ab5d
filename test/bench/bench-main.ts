import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { commandLine } from '#runtime';
import { closeConnections } from '../support/http-client.js';
import { measureBlackHole } from './black-hole.js';
import { measureFairness } from './fairness.js';
import { measureLarge } from './large.js';
import { isMemoryFileSystem, machine } from './machine.js';
import { measureMap } from './map.js';
import { measureMemory } from './memory.js';
import { benchOptions, USAGE, type BenchOptions } from './options.js';
import { measureStartup } from './startup.js';
import { measureWaiting } from './waiting.js';
import { measureWidth } from './width.js';
import { measureThroughput, type SideFigures, type ThroughputRow } from './throughput.js';

/** The goals that a bench row is held against; a missed one is said, and does not fail the command. */
const SHARE_OF_FLOOR_AT_256 = 0.6;
const P50_TIMES_FLOOR_AT_1 = 1;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const run = async (options: BenchOptions): Promise<unknown> => {
  if (options.row === 'black-hole') return measureBlackHole(options, say);
  if (options.row === 'fairness') return measureFairness(options, say);
  if (options.row === 'large') return measureLarge(options, say);
  if (options.row === 'map') return measureMap(options, say);
  if (options.row === 'memory') return measureMemory(options, say);
  if (options.row === 'startup') return measureStartup(options, say);
  if (options.row === 'waiting') return measureWaiting(options, say);
  if (options.row === 'width') return measureWidth(options, say);
  const rows = await measureThroughput(options, say);
  for (const row of rows) sayRow(row);
  for (const line of goals(rows)) say(line);
  return rows;
};

const sayRow = (row: ThroughputRow): void => {
  const line = (name: string, pick: (side: SideFigures) => string, last = ''): void =>
    say(`  ${name.padEnd(18)}${pick(row.floor).padStart(12)}${pick(row.stepwell).padStart(12)}${last.padStart(12)}`);
  say(
    `\n${`${row.flow} flow, ${row.concurrency} at once`.padEnd(20)}${'floor'.padStart(12)}${'Stepwell'.padStart(12)}${'ratio'.padStart(12)}`,
  );
  line('runs/s', (side) => Math.round(side.runsPerSecond).toLocaleString('en'), row.shareOfFloor.toFixed(2));
  line('p50 ms', (side) => side.p50Ms.toFixed(2), row.p50TimesFloor.toFixed(2));
  line('p99 ms', (side) => side.p99Ms.toFixed(2), (row.stepwell.p99Ms / row.floor.p99Ms).toFixed(2));
  line(
    'CPU µs a run',
    (side) => side.cpuUsPerRun.toFixed(0),
    (row.stepwell.cpuUsPerRun / row.floor.cpuUsPerRun).toFixed(2),
  );
  line('bytes written', (side) => side.writtenBytesPerRun.toFixed(0));
  line('appends a run', (side) => side.appendsPerRun?.toFixed(2) ?? '-');
  say(`  floor by thread, µs     ${threads(row.floor)}`);
  say(`  Stepwell by thread, µs  ${threads(row.stepwell)}`);
};

const threads = (side: SideFigures): string =>
  Object.entries(side.cpuUsPerRunByThread)
    .filter(([, us]) => us >= 0.1)
    .map(([name, us]) => `${name} ${us.toFixed(1)}`)
    .join(' · ');

const goals = (rows: readonly ThroughputRow[]): readonly string[] => {
  const share = rows.find((row) => row.flow === 'three-step' && row.concurrency === 256)?.shareOfFloor;
  const p50 = rows.find((row) => row.flow === 'three-step' && row.concurrency === 1)?.p50TimesFloor;
  const verdict = (reached: boolean): string => (reached ? 'reached' : 'MISSED');
  return [
    '',
    ...(share === undefined
      ? []
      : [
          `goal: at least ${SHARE_OF_FLOOR_AT_256} of the floor at 256: ${share.toFixed(2)}, ${verdict(share >= SHARE_OF_FLOOR_AT_256)}`,
        ]),
    ...(p50 === undefined
      ? []
      : [
          `goal: p50 at 1 at most ${P50_TIMES_FLOOR_AT_1} times the floor's: ${p50.toFixed(2)}, ${verdict(p50 <= P50_TIMES_FLOOR_AT_1)}`,
        ]),
  ];
};

const options = commandLine(USAGE, benchOptions);
try {
  const box = machine();
  say(
    `bench ${options.row} · Node ${box.node} · ${box.cores} × ${box.processor} · ${box.system} · commit ${box.commit ?? 'unknown'}`,
  );
  if (isMemoryFileSystem(options.folder ?? tmpdir()))
    say('the folder of the data is in memory: syncs cost nothing here, name a disk with --folder');
  const result = await run(options);
  const out = options.out ?? join(tmpdir(), 'bench-result.json');
  await writeFile(out, `${JSON.stringify({ machine: box, options, result }, null, 2)}\n`);
  say(`\nwritten to ${out}`);
} catch (fault) {
  process.stderr.write(`${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
} finally {
  closeConnections();
}
