import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { NewEvent, Revision } from '#event-store';
import { EventStoreDbEventStore, LOG_START, runStream } from '#event-store';
import { sha256Base32, silentLog, systemClock, systemEntropy } from '#runtime';

/*
 * Appends a second through the EventStoreDB adapter, on the double as a process of its own or on the server of a URL, as
 * the three-step flow appends (four appends a run, about 1.2 KB each); then how fast all of it is read and followed.
 * Run from the root after a build: node dist/test/bench/eventstoredb.bench.js [seconds] [concurrencies] [url]
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

const round = async (store: EventStoreDbEventStore, concurrency: number): Promise<Record<string, number>> => {
  const latencies: number[] = [];
  const startedAt = systemClock.monotonicMs();
  const cpu = process.cpuUsage();
  const endsAt = startedAt + secondsARound * 1000;
  await new Promise<void>((resolve) => {
    let open = concurrency;
    const run = (): void => next(runStream(sha256Base32(systemEntropy.hex(8), 128)), -1 as Revision, 0);
    const next = (stream: ReturnType<typeof runStream>, expected: Revision, done: number): void => {
      const sentAt = systemClock.monotonicMs();
      const envelope = {
        commandId: systemEntropy.hex(16),
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
  const { user, system } = process.cpuUsage(cpu);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => Number(sorted[Math.floor(sorted.length * share)]!.toFixed(2));
  return {
    concurrency,
    'appends/s': Math.round(sorted.length / seconds),
    'p50 ms': at(0.5),
    'p99 ms': at(0.99),
    'µs CPU an append, here': Math.round((user + system) / sorted.length),
  };
};

const reading = async (
  store: EventStoreDbEventStore,
  prefixes?: readonly string[],
): Promise<Record<string, number>> => {
  const startedAt = systemClock.monotonicMs();
  const abort = new AbortController();
  let events = 0;
  const filter = prefixes === undefined ? {} : { prefixes };
  for await (const message of store.subscribe(LOG_START, { filter, signal: abort.signal })) {
    if (message.type === 'caught-up') abort.abort();
    else for (const { count } of message.commits) events += count;
  }
  const seconds = (systemClock.monotonicMs() - startedAt) / 1000;
  return { events, 'events/s': Math.round(events / seconds) };
};

const folder = mkdtempSync(join(tmpdir(), 'stepwell-bench-'));
const main = resolve(import.meta.dirname, '../support/eventstoredb-double/main.js');
const server = process.argv[4] === undefined ? spawn(process.execPath, [main, '--data-dir', folder]) : null;
let url = process.argv[4] ?? '';
if (server !== null) {
  const [text] = (await once(server.stdout, 'data')) as [Buffer];
  url = text.toString().trim().replace('listening on ', '');
}
const store = new EventStoreDbEventStore(systemClock, silentLog, { url });
await store.start();
const rows: Record<string, number>[] = [];
for (const concurrency of concurrencies) rows.push(await round(store, concurrency));
console.table(rows);
console.table({ 'catch up with all': await reading(store), 'with a prefix': await reading(store, ['run-']) });
await store.stop();
server?.kill();
rmSync(folder, { recursive: true });
