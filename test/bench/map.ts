import { startSampleApp } from '../support/apps.js';
import { httpCall } from '../support/http-client.js';
import type { RunShape } from '../support/shapes.js';
import type { BenchOptions } from './options.js';
import { cpuBetween, readFigures } from './process-figures.js';
import { publish, startBenchServer } from './server.js';

const ITEMS = [100, 1_000, 10_000];
const CONCURRENCY = 20;
const GOAL_RATIO = 1.5;
const GOAL_SHOW_MS = 1_000;

export type MapFigures = {
  readonly items: number;
  readonly msPerItem: number;
  readonly cpuUsPerItem: number;
  readonly events: number;
  /** Of the document of the run, and of the second page of its items. */
  readonly showMs: number;
  readonly pageMs: number;
};

/** A run over so many items of two steps each, on HTTP: what an item costs must not grow with their number. */
export const measureMap = async (
  options: BenchOptions,
  say: (line: string) => void,
): Promise<readonly MapFigures[]> => {
  const server = await startBenchServer(options);
  const app = await startSampleApp(0);
  const steps = ['create-user', 'send-email'].map((name) => ({ type: 'step', name, url: `/steps/${name}` }));
  const each = { type: 'sequence', steps };
  const root = { type: 'map', name: 'items', concurrency: CONCURRENCY, reduce: 'none', each };
  const rows: MapFigures[] = [];
  try {
    await publish(server.url, 'bench-map', { target: app.url, root });
    // The first one is for the compiler.
    for (const items of [ITEMS[0]!, ...ITEMS]) {
      const row = await oneRun(server.url, server.child.pid, items, `${rows.length}`);
      rows.push(row);
      if (rows.length > 1) say(lineOf(row, rows[1] ?? row));
    }
    await server.stop();
    return rows.slice(1);
  } finally {
    await Promise.all([app.child.stop(), server.abandon()]);
  }
};

const oneRun = async (url: string, pid: number, items: number, key: string): Promise<MapFigures> => {
  const input = Array.from({ length: items }, (_, item) => ({ item }));
  const before = readFigures(pid);
  const beganMs = performance.now();
  const headers = { 'idempotency-key': `map-${key}`, prefer: 'wait=60' };
  const started = await httpCall('POST', `${url}/v1/runs`, { headers, body: { workflow: 'bench-map', input } });
  const ms = performance.now() - beganMs;
  const run = JSON.parse(started.text) as RunShape;
  if (run.status !== 'completed')
    throw new Error(`a map of ${items} items is ${run.status}: ${started.text.slice(0, 500)}`);
  const cpuUs = cpuBetween(before, readFigures(pid)).reduce((sum, [, us]) => sum + us, 0);
  const timed = async (path: string): Promise<number> => {
    const atMs = performance.now();
    const { status, text } = await httpCall('GET', `${url}${path}`);
    if (status !== 200) throw new Error(`${path} gave ${status}: ${text.slice(0, 500)}`);
    return performance.now() - atMs;
  };
  return {
    items,
    msPerItem: ms / items,
    cpuUsPerItem: cpuUs / items,
    events: run.revision + 1,
    showMs: await timed(`/v1/runs/${run.id}`),
    pageMs: await timed(`/v1/runs/${run.id}/steps?below=items&limit=50`),
  };
};

const lineOf = ({ items, msPerItem, cpuUsPerItem, showMs, pageMs }: MapFigures, like: MapFigures): string => {
  const ratio = cpuUsPerItem / like.cpuUsPerItem;
  const isReached = ratio <= GOAL_RATIO && showMs < GOAL_SHOW_MS;
  return (
    `${items.toLocaleString('en').padStart(7)} items${msPerItem.toFixed(2).padStart(8)} ms an item${cpuUsPerItem.toFixed(0).padStart(7)} µs of CPU` +
    ` · ${ratio.toFixed(2)} times that of ${like.items} (goal at most ${GOAL_RATIO}) · shown in ${showMs.toFixed(0)} ms, a page in ${pageMs.toFixed(0)} ms: ` +
    (isReached ? 'reached' : 'MISSED')
  );
};
