/**
 * The floor of the production shape: a bare Node program that makes the same appends to the same event store as Stepwell's
 * processes do together, and the same POSTs. No definitions, no second process, no views: what is measured against it is
 * what these cost.
 */
import { EventStoreDbEventStore, NO_STREAM, runStream, type Revision } from '#event-store';
import { sha256Base32, silentLog, systemClock, systemEntropy } from '#runtime';
import { serveFloor } from './floor-flow.js';

const [url, target] = process.argv.slice(2);
if (url === undefined || target === undefined)
  throw new Error('usage: cluster-floor.js <connection string> <origin of the application>');

const store = new EventStoreDbEventStore(systemClock, silentLog, { url });
await store.start();

/** Of each run under way: what its stream ends at, and the appends that wait, since each names the revision before it. */
type Stream = { last: Revision; readonly waiting: (() => void)[] };
const streams = new Map<string, Stream>();

serveFloor(
  target,
  (run, line, call) => {
    const stream = streams.get(run) ?? { last: NO_STREAM, waiting: [] };
    streams.set(run, stream);
    const send = (): void =>
      store.append(
        {
          stream: runStream(sha256Base32(run, 128)),
          expected: stream.last,
          events: [{ type: 'FloorLine', v: 1, data: JSON.stringify(line) }],
          envelope: { commandId: systemEntropy.hex(16), recordedAt: systemClock.now(), actor: null, traceparent: null },
        },
        (outcome) => {
          if (outcome.status !== 'appended') throw new Error(`an append ended as ${outcome.status}`);
          stream.last = outcome.revision;
          stream.waiting.shift();
          stream.waiting[0]?.();
          call();
        },
      );
    stream.waiting.push(send);
    if (stream.waiting.length === 1) send();
  },
  { apart: true },
);
