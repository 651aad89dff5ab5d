import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEvent, Revision } from '#event-store';
import { runStream, SqliteEventStore } from '#event-store';
import { sha256Base32, systemClock, systemEntropy } from '#runtime';

/*
 * Appends a second, and CPU an append by thread, of the SQLite event store alone: as the three-step flow appends (four
 * appends a run, about 1.2 KB each). Run from the root after a build: node dist/test/bench/event-store.bench.js [seconds]
 */

const APPENDS_A_RUN = 4;
const EVENT_TEXT = JSON.stringify({ step: 'create-user', attempt: 1, status: 200, output: { text: 'x'.repeat(230) } });
const EVENTS: readonly NewEvent[] = Array.from({ length: 4 }, () => ({
  type: 'AttemptSucceeded',
  v: 1,
  data: EVENT_TEXT,
}));

const secondsARound = Number(process.argv[2] ?? 3);
const concurrencies = (process.argv[3] ?? '1,64,256').split(',').map(Number);

/** Nanoseconds of CPU by thread name, from the scheduler's own statistics (Linux only). */
const cpuByThread = (): ReadonlyMap<string, number> => {
  const total = new Map<string, number>();
  for (const thread of readdirSync('/proc/self/task')) {
    const name = readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim();
    const [ns] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ');
    total.set(name, (total.get(name) ?? 0) + Number(ns));
  }
  return total;
};

const round = async (store: SqliteEventStore, concurrency: number): Promise<Record<string, string | number>> => {
  const latencies: number[] = [];
  const endsAt = systemClock.monotonicMs() + secondsARound * 1000;
  const before = store.stats();
  const cpuBefore = cpuByThread();
  const startedAt = systemClock.monotonicMs();
  await new Promise<void>((resolve) => {
    let open = concurrency;
    const run = (): void => {
      const stream = runStream(sha256Base32(systemEntropy.hex(8), 128));
      next(stream, -1 as Revision, 0);
    };
    const next = (stream: ReturnType<typeof runStream>, expected: Revision, done: number): void => {
      const sentAt = systemClock.monotonicMs();
      const envelope = {
        commandId: systemEntropy.hex(8),
        recordedAt: systemClock.now(),
        actor: null,
        traceparent: null,
      };
      store.append({ stream, expected, events: EVENTS, envelope }, (outcome) => {
        latencies.push(systemClock.monotonicMs() - sentAt);
        if (outcome.status !== 'appended') throw new Error(`append: ${outcome.status}`);
        if (systemClock.monotonicMs() >= endsAt) return --open === 0 ? resolve() : undefined;
        return done + 1 < APPENDS_A_RUN ? next(stream, outcome.revision, done + 1) : run();
      });
    };
    for (let index = 0; index < concurrency; index++) run();
  });
  const seconds = (systemClock.monotonicMs() - startedAt) / 1000;
  const after = store.stats();
  const cpuAfter = cpuByThread();
  const appends = after.appends - before.appends;
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => Number(sorted[Math.floor(sorted.length * share)]!.toFixed(2));
  const cpuUs = [...cpuAfter]
    .map(([name, ns]) => [name, (ns - (cpuBefore.get(name) ?? 0)) / 1000 / appends] as const)
    .filter(([, us]) => us >= 0.05)
    .map(([name, us]) => `${name} ${us.toFixed(1)}`);
  return {
    concurrency,
    'appends/s': Math.round(appends / seconds),
    'a batch': Number((appends / (after.commits - before.commits)).toFixed(1)),
    'p50 ms': at(0.5),
    'p99 ms': at(0.99),
    'max ms': at(1 - 1e-9),
    'µs CPU an append': cpuUs.join(', '),
  };
};

const folder = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'stepwell-bench-'));
const store = new SqliteEventStore({
  folder,
  onFatal: (error) => {
    throw error;
  },
});
await store.start();
// A follower, as the views are one.
const following = new AbortController();
let followed = 0;
const follower = (async () => {
  for await (const message of store.subscribe(-1 as never, { signal: following.signal })) {
    if (message.type === 'commits') followed += message.commits.length;
  }
})();
const rows: Record<string, string | number>[] = [];
for (const concurrency of concurrencies) rows.push(await round(store, concurrency));
console.table(rows);
console.log(`followed ${followed} of ${store.stats().appends}`);
following.abort();
await follower;
await store.stop();
rmSync(folder, { recursive: true });
