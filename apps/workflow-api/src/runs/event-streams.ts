import type { LoadedRun } from '#engine';
import type { EventStore } from '#event-store';
import type { Clock, Log } from '#runtime';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { requestIdOf } from '../http/request-id.js';
import { HttpProblem } from '../http/problems.js';
import { streamEvents } from './event-stream.js';
import { positionHeader } from './run-reads.js';
import type { EventsQuery } from './run-queries.js';

/** Streams open at one time: each holds a subscription of the log. */
const STREAMS_MAX = 1_000;

/** The event streams of all clients: bounded, and ended together when the server stops. */
export class EventStreams {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #open = 0;

  constructor(store: EventStore, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  wantedBy({ headers }: HttpRequest): boolean {
    return (headers.accept ?? '')
      .split(',')
      .some((type) => type.split(';')[0]!.trim().toLowerCase() === 'text/event-stream');
  }

  /** 200 with the stream, or 204 when the run has ended and the client has seen its last event: it need not come back. */
  answer(loaded: LoadedRun, query: EventsQuery, { headers, method }: HttpRequest, reply: HttpReply): void {
    const from = firstWanted(query, headers['last-event-id']);
    if (loaded.run.status !== 'running' && from > loaded.revision) {
      void reply.code(204).headers(positionHeader(loaded.position)).send();
      return;
    }
    if (this.#open >= STREAMS_MAX)
      throw new HttpProblem({ code: 'overloaded', detail: `${STREAMS_MAX} event streams are open already.` });
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      ...positionHeader(loaded.position),
    });
    if (method === 'HEAD') return void reply.raw.end();
    this.#open += 1;
    streamEvents(this.#store, this.#clock, reply.raw, { loaded, from, signal: this.#stopping.signal })
      .catch((error: unknown) => {
        const requestId = requestIdOf(reply.raw);
        this.#log.warn('an event stream was cut off', { requestId, runId: loaded.run.started.id, err: error });
      })
      .finally(() => (this.#open -= 1));
  }

  stop(): void {
    this.#stopping.abort();
  }
}

const firstWanted = ({ from = 0, cursor = from }: EventsQuery, lastEventId: string | string[] | undefined): number => {
  if (lastEventId === undefined || lastEventId === '') return cursor;
  if (typeof lastEventId === 'string' && /^\d{1,9}$/.test(lastEventId)) return Number(lastEventId) + 1;
  const detail = 'Last-Event-ID is not a revision.';
  throw new HttpProblem({ code: 'validation-failed', detail, errors: [{ pointer: 'Last-Event-ID', detail }] });
};
