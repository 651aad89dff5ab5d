/**
 * The floor of the production shape: a bare Node program that makes the same appends to the same event store as Stepwell's
 * processes do together, each with the events that a run of theirs has in it, and the same POSTs. No definitions, no second
 * process, no views: what is measured against it is what these cost.
 */
import {
  EventStoreDbEventStore,
  NO_STREAM,
  runStream,
  type Append,
  type NewEvent,
  type Revision,
  type StreamName,
} from '#event-store';
import { sha256Base32, silentLog, systemClock, systemEntropy } from '#runtime';
import { serveFloor } from './floor-flow.js';

const [url, target, ...models] = process.argv.slice(2);
if (url === undefined || target === undefined || models.length === 0)
  throw new Error('usage: cluster-floor.js <connection string> <origin of the application> <id of a finished run>…');

const store = new EventStoreDbEventStore(systemClock, silentLog, { url });
await store.start();

/** What each append of a run held. */
const appendsOf = async (model: string): Promise<readonly NewEvent[][]> => {
  const found: NewEvent[][] = [];
  let command = '';
  for (const { causation, type, v, data } of await store.readStream(runStream(model))) {
    if (causation !== command) found.push([]);
    command = causation;
    found.at(-1)!.push({ type, v, data });
  }
  return found;
};

/** Start, first attempt, its answer, the answers of both branches: in most runs they come together. */
const APPENDS = 4;
const histories = await Promise.all(models.map(appendsOf));
const appends = histories.find(({ length }) => length === APPENDS);
if (appends === undefined)
  throw new Error(`no run has ${APPENDS} appends, but ${histories.map(({ length }) => length).join(', ')}`);

/** Streams that no process of Stepwell follows: what the floor appends costs them nothing. */
const floorStream = (run: string): StreamName => `floor-${sha256Base32(run, 128)}` as StreamName; // The brand is of names that the store makes.

/** Of each run under way: what its stream ends at, and how many appends it has. */
const streams = new Map<string, { last: Revision; count: number }>();

/** What is unknown is asked for again, as Stepwell does. */
const appendKnown = (append: Append, call: (revision: Revision) => void): void =>
  store.append(append, (outcome) => {
    if (outcome.status === 'unknown') return appendKnown(append, call);
    // Nobody else writes there.
    if (outcome.status !== 'appended') throw new Error(`an append of the floor ends as ${outcome.status}`);
    call(outcome.revision);
  });

serveFloor(
  target,
  (run, _line, call) => {
    const stream = streams.get(run) ?? { last: NO_STREAM, count: 0 };
    streams.set(run, stream);
    const events = appends[stream.count++]!;
    const append: Append = {
      stream: floorStream(run),
      expected: stream.last,
      events,
      envelope: { commandId: systemEntropy.hex(16), recordedAt: systemClock.now(), actor: null, traceparent: null },
    };
    appendKnown(append, (revision) => {
      stream.last = revision;
      if (stream.count === appends.length) streams.delete(run);
      call();
    });
  },
  { apart: true, joined: true },
);
