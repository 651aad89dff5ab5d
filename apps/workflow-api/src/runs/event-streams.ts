import { Injectable } from '@nestjs/common';
import { EventStore } from '#event-store';
import { Clock, Log } from '#runtime';
import type { Answer } from '../http/answer.js';
import { ServerClosing } from '../http/api-adapter.js';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { prefers } from '../http/accept.js';
import { REQUEST_ID } from '../http/request-id.js';
import { HttpProblem } from '../http/problems.js';
import { streamEvents } from './event-stream.js';
import { positionHeader, type RunPlace } from './run-reads.js';
import type { EventsQuery } from './endpoints/list-run-events.js';

/** Streams open at one time: each holds a subscription of the log. */
const STREAMS_MAX = 1_000;

/** The event streams of all clients: bounded, and ended together when the server stops. */
@Injectable()
export class EventStreams {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #closing: AbortSignal;
  #open = 0;

  constructor(store: EventStore, clock: Clock, log: Log, { signal }: ServerClosing) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#closing = signal;
  }

  wantedBy({ headers }: HttpRequest): boolean {
    return prefers(headers.accept, 'text/event-stream', 'application/json');
  }

  /** 200 with the stream, which then has the reply, or 204 when the run has ended and the client has seen its last event: it need not come back. */
  answer(
    run: RunPlace,
    query: EventsQuery,
    { id: requestId, headers, method }: HttpRequest,
    reply: HttpReply,
  ): Answer | undefined {
    const from = firstWanted(query, headers['last-event-id']);
    if (run.hasEnded && from > run.revision) {
      return { text: null, status: 204, position: run.position };
    }
    if (this.#open >= STREAMS_MAX)
      throw new HttpProblem({ code: 'overloaded', detail: `${STREAMS_MAX} event streams are open already.` });
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      [REQUEST_ID]: requestId,
      ...positionHeader(run.position),
    });
    if (method === 'HEAD') {
      reply.raw.end();
      return undefined;
    }
    this.#open += 1;
    streamEvents(this.#store, this.#clock, reply.raw, { run, from, signal: this.#closing })
      .catch((error: unknown) => {
        this.#log.warn('an event stream was cut off', { requestId, runId: run.id, err: error });
      })
      .finally(() => (this.#open -= 1));
    return undefined;
  }
}

const firstWanted = ({ from = 0, cursor = from }: EventsQuery, lastEventId: string | string[] | undefined): number => {
  if (lastEventId === undefined || lastEventId === '') return cursor;
  if (typeof lastEventId === 'string' && /^\d{1,9}$/.test(lastEventId)) return Number(lastEventId) + 1;
  const detail = 'Last-Event-ID is not a revision.';
  throw new HttpProblem({ code: 'validation-failed', detail, errors: [{ pointer: 'Last-Event-ID', detail }] });
};
