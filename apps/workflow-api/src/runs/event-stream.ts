import type { ServerResponse } from 'node:http';
import { hasEndedBy } from '#domain';
import { shownEventText, unpack, type EventStore, type Position, type RecordedEvent } from '#event-store';
import type { Clock } from '#runtime';
import { readEvents, type RunPlace } from './run-reads.js';

export type EventStreamLimits = {
  readonly heartbeatMs: number;
  /** A client that takes nothing for this long is dropped. */
  readonly stalledMs: number;
};

export const EVENT_STREAM_LIMITS: EventStreamLimits = { heartbeatMs: 15_000, stalledMs: 15_000 };

const PAGE_EVENTS = 500;

/**
 * Writes the events of a run as server-sent events from a revision on, those to come as they come, and ends after the
 * event that ends the run, unless what is in the log opens it again. Ends early when the signal aborts or the client has gone or takes nothing more.
 */
export const streamEvents = async (
  store: EventStore,
  clock: Clock,
  response: ServerResponse,
  {
    run,
    from,
    signal,
    limits = EVENT_STREAM_LIMITS,
  }: { run: RunPlace; from: number; signal: AbortSignal; limits?: EventStreamLimits },
): Promise<void> => {
  const writer = new EventWriter(clock, response, signal, limits);
  try {
    const after = await writeStored(store, writer, run, from);
    if (after !== null) await writeComing(store, writer, run, { after, from });
  } finally {
    writer.end();
  }
};

/** What is in the log already; the position to go on after, `null` when the last event was among it. */
const writeStored = async (
  store: EventStore,
  writer: EventWriter,
  run: RunPlace,
  from: number,
): Promise<Position | null> => {
  let after = run.position;
  let ended = false;
  for (let next = from; ;) {
    const events = await readEvents(store, run, next, PAGE_EVENTS);
    for (const event of events) {
      if (!(await writer.write(event))) return null;
      after = event.position;
      next = event.revision + 1;
      ended = hasEndedBy(event.type) ?? ended;
    }
    if (events.length < PAGE_EVENTS) return ended ? null : after;
  }
};

const writeComing = async (
  store: EventStore,
  writer: EventWriter,
  run: RunPlace,
  { after, from }: { after: Position; from: number },
): Promise<void> => {
  for await (const message of store.subscribe(after, { filter: { stream: run.stream }, signal: writer.gone })) {
    if (message.type !== 'commits') continue;
    let ended = false;
    for (const event of message.commits.flatMap(unpack)) {
      if (event.revision >= from && !(await writer.write(event))) return;
      ended = hasEndedBy(event.type) ?? ended;
    }
    if (ended) return;
  }
};

/** Writes with patience for a slow client, up to a limit, and shows a quiet line now and then that somebody is there. */
class EventWriter {
  readonly #clock: Clock;
  readonly #response: ServerResponse;
  readonly #limits: EventStreamLimits;
  readonly #gone = new AbortController();
  #stopHeartbeat: () => void;

  constructor(clock: Clock, response: ServerResponse, signal: AbortSignal, limits: EventStreamLimits) {
    this.#clock = clock;
    this.#response = response;
    this.#limits = limits;
    this.#stopHeartbeat = clock.after(limits.heartbeatMs, () => this.#heartbeat());
    response.on('close', () => this.#gone.abort());
    if (signal.aborted) this.#gone.abort();
    else signal.addEventListener('abort', () => this.#gone.abort(), { once: true, signal: this.#gone.signal });
    response.write('retry: 1000\n\n');
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** False when there is nobody to write to any more. */
  async write(event: RecordedEvent): Promise<boolean> {
    if (this.gone.aborted) return false;
    if (this.#response.write(`id: ${event.revision}\ndata: ${shownEventText(event)}\n\n`)) return true;
    return this.#drained();
  }

  end(): void {
    this.#stopHeartbeat();
    this.#gone.abort();
    this.#response.end();
  }

  #heartbeat(): void {
    // While the client takes nothing there is no use in giving it more.
    if (!this.#response.writableNeedDrain) this.#response.write(': still here\n\n');
    this.#stopHeartbeat = this.#clock.after(this.#limits.heartbeatMs, () => this.#heartbeat());
  }

  #drained(): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (drained: boolean): void => {
        takeBack();
        this.#response.off('drain', onDrain);
        this.gone.removeEventListener('abort', onGone);
        resolve(drained);
      };
      const onDrain = (): void => settle(true);
      const onGone = (): void => settle(false);
      const takeBack = this.#clock.after(this.#limits.stalledMs, () => {
        this.#response.destroy();
        settle(false);
      });
      this.#response.on('drain', onDrain);
      this.gone.addEventListener('abort', onGone, { once: true });
    });
  }
}
