import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { JsonText, Plan, StartRun } from '#domain';
import type { LoadedRun, Origin, RunId, Runs, StartReply } from '#engine';
import { Bag, canonicalJson, sha256Hex, type Clock, type Log, type Tracer } from '#runtime';
import { parseIdempotencyKey } from '../http/idempotency-key.js';
import { parseJsonText, parseValue } from '../http/json-body.js';
import { parsePreferWait } from '../http/prefer.js';
import { HttpProblem, type Problem } from '../http/problems.js';
import { answerFailure, rejectionProblem, STORAGE_UNAVAILABLE, unavailableProblem } from '../http/failures.js';
import { sendProblem, sendText } from '../http/raw-answer.js';
import { JSON_TYPES, parseMediaType } from '../http/request-body.js';
import { parseTraceparent } from '../http/traceparent.js';
import { requireWithin } from './payload-limit.js';
import { runText } from './run-json.js';
import { startRunId, type StartKind } from './run-id.js';
import { startSpan } from './start-span.js';
import { StartRequest } from './start-request.js';
import { startedText } from './started-json.js';
import { toStartable, type StartablePlans, type Startable } from './startable.js';

export type StartParts = {
  readonly runs: Runs;
  readonly plans: StartablePlans;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer: Tracer | null;
  readonly limits: { readonly payloadMaxBytes: number; readonly tagsMax: number };
};

/** A request for a start, parsed: everything but the plan, which may have to be looked up. */
export type Start = {
  readonly request: StartRequest;
  readonly runId: RunId;
  readonly key: string;
  readonly fingerprint: string;
  readonly input: JsonText;
  readonly variables: JsonText;
  readonly waitSeconds: number | null;
  readonly origin: Origin;
};

/** A client that waits for the end of its run. */
type Wait = { readonly giveUp: () => void; place: number };

const STOPPING: Problem = {
  code: 'stopping',
  detail: 'The server is stopping. Nothing was started.',
  headers: { connection: 'close' },
};
const EMPTY_OBJECT = '{}' as JsonText;
const NULL = 'null' as JsonText;

/**
 * `POST /v1/runs` over headers, body and the raw answer: the hottest path. With the plan at hand there is no promise
 * between the request and its append, nor between the commit and the answer.
 */
export class StartRunRoute {
  readonly #parts: StartParts;
  readonly #waits = new Bag<Wait>();
  #stopping = false;

  constructor(parts: StartParts) {
    this.#parts = parts;
  }

  handle(headers: IncomingHttpHeaders, body: Uint8Array | undefined, response: ServerResponse): void {
    if (this.#stopping) return sendProblem(response, STOPPING);
    const { tracer, limits, log } = this.#parts;
    const span = tracer === null ? null : startSpan(tracer, headers, response);
    let start: Start | null = null;
    try {
      start = parseStart(headers, body, limits.payloadMaxBytes, span?.traceparent ?? null);
      if (span !== null) span.runId = start.runId;
      const startable = toStartable(start.request, this.#parts.plans);
      if (startable instanceof Promise) this.#startLater(start, startable, response);
      else this.#start(start, startable, response);
    } catch (error) {
      answerFailure(response, error, log, start?.runId);
    }
  }

  /** Answers all who wait for an end with the run so far, and takes no start any more. */
  stop(): void {
    this.#stopping = true;
    for (const { giveUp } of this.#waits.items()) giveUp();
  }

  #startLater(start: Start, startable: Promise<Startable>, response: ServerResponse): void {
    startable
      .catch((refusal: unknown) => replayable(this.#parts.runs, start, refusal))
      .then((found) => this.#start(start, found, response))
      .catch((error: unknown) => answerFailure(response, error, this.#parts.log, start.runId));
  }

  #start(start: Start, startable: Startable, response: ServerResponse): void {
    const command = toCommand(start, startable, this.#parts.limits.tagsMax);
    this.#parts.runs.start(start.runId, command, startable.plan, start.origin, (reply) => {
      try {
        this.#answer(start, startable.plan, reply, response);
      } catch (error) {
        answerFailure(response, error, this.#parts.log, start.runId);
      }
    });
  }

  #answer(start: Start, plan: Plan, reply: StartReply, response: ServerResponse): void {
    if (reply.status === 'unavailable') return sendProblem(response, unavailableProblem(reply.cause));
    if (reply.status === 'rejected') return sendProblem(response, rejectionProblem(reply.rejection, plan));
    const headers: Record<string, string> = {
      location: `/v1/runs/${reply.started.id}`,
      'stepwell-position': String(reply.position),
    };
    if (reply.status === 'replayed') headers['idempotent-replayed'] = 'true';
    if (start.waitSeconds === null)
      return sendText(response, 201, headers, startedText(reply.started, reply.startedAt));
    headers['preference-applied'] = `wait=${start.waitSeconds}`;
    this.#answerAtEnd(start.runId, start.waitSeconds * 1_000, headers, response);
  }

  /** 200 with the run when it ends in time, else 202 with the run so far; nothing when the client goes first. */
  #answerAtEnd(runId: RunId, waitMs: number, headers: Record<string, string>, response: ServerResponse): void {
    const { runs, clock, log } = this.#parts;
    let settled = false;
    let stopWaiting: (() => void) | null = null;
    const settle = (): boolean => {
      if (settled) return false;
      settled = true;
      stopWaiting?.();
      takeBack();
      this.#waits.delete(wait);
      return true;
    };
    const send = (status: 200 | 202, loaded: LoadedRun): void => {
      headers['stepwell-position'] = String(loaded.position);
      sendText(response, status, headers, runText(loaded.run, loaded.plan));
    };
    const giveUp = (): void => {
      if (!settle()) return;
      runs
        .load(runId)
        .then((loaded) =>
          loaded === null
            ? sendProblem(response, STORAGE_UNAVAILABLE)
            : send(loaded.run.status === 'running' ? 202 : 200, loaded),
        )
        .catch((error: unknown) => answerFailure(response, error, log, runId));
    };
    const wait: Wait = { giveUp, place: -1 };
    // A start that was on its way to the log when the server was told to stop waits for nothing any more.
    const takeBack = clock.after(this.#stopping ? 0 : waitMs, giveUp);
    this.#waits.add(wait);
    response.on('close', settle);
    const stop = runs.whenEnded(runId, (loaded) => {
      if (!settle()) return;
      if (loaded === null) return sendProblem(response, STORAGE_UNAVAILABLE);
      send(200, loaded);
    });
    if (settled) stop();
    else stopWaiting = stop;
  }
}

/** `traceparent`: of the span that the request has here; else it is the caller's. */
const parseStart = (
  headers: IncomingHttpHeaders,
  body: Uint8Array | undefined,
  payloadMaxBytes: number,
  traceparent: string | null,
): Start => {
  const media = parseMediaType(headers, JSON_TYPES);
  if ('problem' in media) throw new HttpProblem(media.problem);
  // Node gives this header as one string, lines that were repeated joined.
  const parsedKey = parseIdempotencyKey(headers['idempotency-key'] as string | undefined);
  if ('problem' in parsedKey) throw new HttpProblem(parsedKey.problem);
  const prefer = parsePreferWait(headers['prefer'] as string | undefined);
  if ('problem' in prefer) throw new HttpProblem(prefer.problem);
  const origin = { actor: null, traceparent: traceparent ?? parseTraceparent(headers['traceparent']) };
  return parseStartBody('start', parsedKey.key, body ?? NO_BYTES, payloadMaxBytes, prefer.waitSeconds, origin);
};

/** What a body and its key ask for. Throws the problem when they are not as they should be. */
export const parseStartBody = (
  kind: StartKind,
  key: string,
  body: Uint8Array,
  payloadMaxBytes: number,
  waitSeconds: number | null,
  origin: Origin,
): Start => {
  const { value } = parseJsonText(body);
  const request = parseValue(StartRequest, value);
  return {
    request,
    runId: startRunId(kind, request.namespace ?? 'default', request.workflow ?? null, key),
    key,
    fingerprint: sha256Hex(canonicalJson(value)),
    // A reason for the casts: what `JSON.stringify` makes of a parsed value is normalised.
    input:
      request.input === undefined
        ? NULL
        : requireWithin(payloadMaxBytes, '/input', JSON.stringify(request.input) as JsonText),
    variables:
      request.variables === undefined
        ? EMPTY_OBJECT
        : requireWithin(payloadMaxBytes, '/variables', JSON.stringify(request.variables) as JsonText),
    waitSeconds,
    origin,
  };
};

const NO_BYTES = new Uint8Array(0);

/** A start that was accepted once is answered for ever, even when its workflow is archived by now. */
export const replayable = async (runs: Runs, start: Start, refusal: unknown): Promise<Startable> => {
  const loaded = refusal instanceof HttpProblem ? await runs.load(start.runId) : null;
  if (loaded === null) throw refusal;
  return { plan: loaded.plan, hash: loaded.run.started.plan, version: loaded.run.started.version, tags: {} };
};

/** The command of a start, with its plan found. Throws the problem when the two together are past a limit. */
export const toCommand = (start: Start, startable: Startable, tagsMax: number): StartRun => {
  const { request, runId } = start;
  const tags = { ...startable.tags, ...request.tags };
  if (Object.keys(tags).length > tagsMax) {
    throw new HttpProblem({
      code: 'validation-failed',
      detail: `/tags: The run would have more than ${tagsMax} tags, those of its definition included.`,
      errors: [{ pointer: '/tags', detail: `At most ${tagsMax} tags, those of the definition included.` }],
    });
  }
  return {
    type: 'StartRun',
    id: request.idSuffix === undefined ? runId : `${runId}-${request.idSuffix}`,
    key: start.key,
    workflow: request.workflow ?? null,
    version: startable.version,
    plan: startable.hash,
    namespace: request.namespace ?? 'default',
    queue: request.queue ?? 'default',
    tags,
    correlationId: request.correlationId ?? null,
    requestor: request.requestor ?? null,
    fingerprint: start.fingerprint,
    fromStep: request.fromStep ?? null,
    timeoutMs: request.timeoutMs ?? null,
    variables: start.variables,
    input: start.input,
  };
};
