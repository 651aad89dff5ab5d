import type { IncomingHttpHeaders } from 'node:http';
import type { JsonText, StartRun } from '#domain';
import type { Origin, RunId, Runs } from '#engine';
import { canonicalText, memberTexts, sha256Hex, type Log } from '#runtime';
import { parseIdempotencyKey } from '../http/idempotency-key.js';
import { parseJsonText, parseValue } from '../http/json-body.js';
import { parsePreferWait } from '../http/prefer.js';
import { HttpProblem } from '../http/problems.js';
import { originOf } from '../http/origin.js';
import { JSON_TYPES, parseMediaType } from '../http/request-body.js';
import { requireWithin } from './payload-limit.js';
import { startRunId, type StartKind } from './run-id.js';
import { StartRequest } from './start-request.js';
import type { StartablePlans, Startable } from './startable.js';

/** What starts lean on, those of requests and those of messages alike. */
export type StartParts = {
  readonly runs: Runs;
  readonly plans: StartablePlans;
  readonly log: Log;
  readonly limits: { readonly payloadMaxBytes: number; readonly tagsMax: number };
};

/** A request for a start, parsed: everything but the plan, which may have to be looked up. */
export type Start = {
  readonly request: StartRequest;
  /** Of a definition in the body; `{}` when there is none. */
  readonly definitionText: string;
  readonly runId: RunId;
  readonly key: string;
  readonly fingerprint: string;
  readonly input: JsonText;
  readonly variables: JsonText;
  readonly waitSeconds: number | null;
  readonly origin: Origin;
};

const EMPTY_OBJECT = '{}' as JsonText;
const NULL = 'null' as JsonText;

/** The start that a request asks for. Throws the problem to answer. */
export const parseStart = (headers: IncomingHttpHeaders, body: unknown, payloadMaxBytes: number): Start => {
  const media = parseMediaType(headers, JSON_TYPES);
  if ('problem' in media) throw new HttpProblem(media.problem);
  // Node gives this header as one string, lines that were repeated joined.
  const parsedKey = parseIdempotencyKey(headers['idempotency-key'] as string | undefined);
  if ('problem' in parsedKey) throw new HttpProblem(parsedKey.problem);
  const waitSeconds = parsePreferWait(headers['prefer'] as string | undefined);
  const origin = originOf(headers);
  const bytes = Buffer.isBuffer(body) ? body : NO_BYTES;
  return parseStartBody('start', parsedKey.key, bytes, payloadMaxBytes, waitSeconds, origin);
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
  const parsed = parseJsonText(body);
  const request = parseValue(StartRequest, parsed.value);
  const members = memberTexts(parsed.text);
  // A reason for the cast: members of a checked text are checked texts.
  const payload = (name: 'input' | 'variables', absent: JsonText): JsonText =>
    requireWithin(payloadMaxBytes, `/${name}`, (members.get(name) as JsonText | undefined) ?? absent);
  return {
    request,
    definitionText: members.get('definition') ?? '{}',
    runId: startRunId(kind, request.namespace ?? 'default', request.workflow ?? null, key),
    key,
    fingerprint: sha256Hex(canonicalText(parsed)),
    input: payload('input', NULL),
    variables: payload('variables', EMPTY_OBJECT),
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
