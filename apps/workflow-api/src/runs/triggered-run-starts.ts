import type { StartReply } from '#engine';
import { StartRuns, type TriggeredStart, type TriggeredStartOutcome } from '#relay';
import { failureProblem, rejectionProblem } from '../http/failures.js';
import { parseIdempotencyKey } from '../http/idempotency-key.js';
import { originOf } from '../http/origin.js';
import { HttpProblem, problemStatus, type Problem } from '../http/problems.js';
import { parseStartBody, replayable, toCommand, type Start, type StartParts } from './start-run.js';
import { toStartable, type Startable } from './startable.js';

/** Starts runs for messages, by the rules of `POST /v1/runs`: what that would answer with 503 is to be repeated. */
export class TriggeredRunStarts extends StartRuns {
  readonly #parts: StartParts;
  readonly #bodyMaxBytes: number;

  constructor(parts: StartParts, bodyMaxBytes: number) {
    super();
    this.#parts = parts;
    this.#bodyMaxBytes = bodyMaxBytes;
  }

  async start(message: TriggeredStart): Promise<TriggeredStartOutcome> {
    try {
      const start = this.#parse(message);
      const startable = await this.#startable(start);
      const command = toCommand(start, startable, this.#parts.limits.tagsMax);
      const reply = await new Promise<StartReply>((settle) =>
        this.#parts.runs.start(start.runId, command, startable.plan, start.origin, settle),
      );
      if (reply.status === 'unavailable') return reply;
      if (reply.status === 'rejected') return refused(rejectionProblem(reply.rejection, startable.plan), reply);
      return { status: reply.status, id: reply.started.id };
    } catch (error) {
      return refused(failureProblem(error, this.#parts.log, { key: message.key }), error);
    }
  }

  #parse({ body, key, traceparent, actor }: TriggeredStart): Start {
    if (body.length > this.#bodyMaxBytes) {
      const detail = `The body is larger than ${this.#bodyMaxBytes} bytes.`;
      throw new HttpProblem({ code: 'payload-too-large', detail });
    }
    const parsedKey = parseIdempotencyKey(key);
    if ('problem' in parsedKey) throw new HttpProblem(parsedKey.problem);
    const origin = originOf({ 'stepwell-actor': actor, ...(traceparent === null ? {} : { traceparent }) });
    return parseStartBody('trigger', parsedKey.key, body, this.#parts.limits.payloadMaxBytes, null, origin);
  }

  async #startable(start: Start): Promise<Startable> {
    try {
      return await toStartable(start, this.#parts.plans);
    } catch (refusal) {
      return replayable(this.#parts.runs, start, refusal);
    }
  }
}

/** A store that does not answer, or has no room: the same message is taken later. */
const FOR_NOW = [503, 507];

const refused = (problem: Problem, cause: unknown): TriggeredStartOutcome =>
  FOR_NOW.includes(problemStatus(problem))
    ? { status: 'unavailable', cause }
    : { status: 'refused', code: problem.code, detail: problem.detail };
