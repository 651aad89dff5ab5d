import { Inject, Injectable } from '@nestjs/common';
import { isEnded, type Plan, type StartRun } from '#domain';
import { Runs, type LoadedRun, type StartReply } from '#engine';
import { Bag, Clock, type Config } from '#runtime';
import { CONFIG } from '../../../modules/src/tokens.js';
import type { Answer } from '../http/answer.js';
import { ServerClosing } from '../http/api-adapter.js';
import { shape } from '../http/answer.interceptor.js';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { parseQuery } from '../http/json-body.js';
import { NoQuery } from '../http/parameters.js';
import { rejectionProblem, STORAGE_UNAVAILABLE, unavailableProblem } from '../http/failures.js';
import { HttpProblem, type Problem } from '../http/problems.js';
import { CataloguePlans } from '../workflows/catalogue-plans.js';
import { runText } from './run-json.js';
import { ShownRuns } from './shown-runs.js';
import { parseStart, replayable, toCommand, type Start } from './start-run.js';
import { startedText } from './started-json.js';
import { toStartable } from './startable.js';

/** A client that waits for the end of its run. */
type Wait = { readonly giveUp: () => void; place: number };

/** However short the wait, the log gets so long to take the start, and so long to say at the end how far the run is. */
const AT_LEAST_MS = 1_000;

const STOPPING: Problem = {
  code: 'stopping',
  detail: 'The server is stopping. Nothing was started.',
  headers: { connection: 'close' },
};

/** `POST /v1/runs`: the hottest path. With the plan at hand nothing is waited for between the request and its append. */
@Injectable()
export class RunStarts {
  readonly #runs: Runs;
  readonly #shown: ShownRuns;
  readonly #plans: CataloguePlans;
  readonly #clock: Clock;
  readonly #limits: Config['limits'];
  readonly #closing: AbortSignal;
  readonly #waits = new Bag<Wait>();

  constructor(
    runs: Runs,
    shown: ShownRuns,
    plans: CataloguePlans,
    clock: Clock,
    @Inject(CONFIG) { limits }: Config,
    { signal }: ServerClosing,
  ) {
    this.#runs = runs;
    this.#shown = shown;
    this.#plans = plans;
    this.#clock = clock;
    this.#limits = limits;
    this.#closing = signal;
    signal.addEventListener('abort', () => {
      for (const { giveUp } of this.#waits.items()) giveUp();
    });
  }

  /** The body of the reply; with `Prefer: wait` it comes at the end of the run, or when the wait is over. */
  async start(request: HttpRequest, reply: HttpReply): Promise<string | undefined> {
    if (this.#closing.aborted) throw new HttpProblem(STOPPING);
    if (request.url.includes('?')) parseQuery(NoQuery, request.query);
    const start = parseStart(request.headers, request.body, this.#limits.payloadMaxBytes);
    request.runId = start.runId;
    const found = toStartable(start, this.#plans);
    const startable =
      found instanceof Promise
        ? await found.catch((refusal: unknown) => replayable(this.#runs, start, refusal))
        : found;
    const command = toCommand(start, startable, this.#limits.tagsMax);
    const { plan } = startable;
    const { waitSeconds } = start;
    const answer =
      waitSeconds === null
        ? this.#startNow(start, command, plan)
        : this.#startAndWait(start, command, plan, waitSeconds, reply);
    return shape(request, reply, await answer);
  }

  #startNow({ runId, origin }: Start, command: StartRun, plan: Plan): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#runs.start(runId, command, plan, origin, (reply) => {
        if (!isTaken(reply)) return reject(refusalOf(reply, plan));
        const { started, startedAt, position } = reply;
        resolve({ text: startedText(started, startedAt), position, headers: headersOf(reply) });
      });
    });
  }

  /**
   * 200 with the run when it ends in time, else 202 with the run so far. Whoever waits is answered when the wait is over, whatever
   * the log does. A fault in making the answer is the caller's alone: it must not reach the engine, which calls back out of a commit.
   */
  #startAndWait(
    { runId, origin }: Start,
    command: StartRun,
    plan: Plan,
    waitSeconds: number,
    { raw: response }: HttpReply,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      /** `null` until the log has the start. */
      let headers: Record<string, string> | null = null;
      let stopWaiting: (() => void) | null = null;
      let settled = false;
      /** False when it was settled before. */
      const settle = (): boolean => {
        if (settled) return false;
        settled = true;
        stopWaiting?.();
        takeBack();
        this.#waits.delete(wait);
        return true;
      };
      const answer = (loaded: LoadedRun | null): void => {
        try {
          if (loaded === null || headers === null) throw new HttpProblem(STORAGE_UNAVAILABLE);
          const answered = headers;
          const made = this.#shown.of(loaded, (shown) => ({
            text: runText(shown, 'full', 'whole'),
            position: shown.position,
            headers: answered,
            status: isEnded(shown.history) ? 200 : 202,
          }));
          resolve(made);
        } catch (error) {
          reject(error);
        }
      };
      const giveUp = (): void => {
        if (headers !== null && settle()) this.#runs.load(runId, AT_LEAST_MS).then(answer, reject);
      };
      const wait: Wait = { giveUp, place: -1 };
      const takeBack = this.#clock.after(Math.max(waitSeconds * 1_000, AT_LEAST_MS), () => {
        if (headers !== null) giveUp();
        else if (settle()) reject(new HttpProblem(STORAGE_UNAVAILABLE));
      });
      this.#waits.add(wait);
      response.on('close', settle);
      const taken = (reply: StartReply): void => {
        if (settled) return;
        if (!isTaken(reply)) {
          settle();
          return reject(refusalOf(reply, plan));
        }
        headers = headersOf(reply);
        headers['preference-applied'] = `wait=${waitSeconds}`;
        // A start that was on its way to the log when the server was told to stop waits for nothing any more.
        if (waitSeconds === 0 || this.#closing.aborted) return giveUp();
        const stop = this.#runs.whenEnded(runId, (loaded) => {
          if (settle()) answer(loaded);
        });
        if (settled) stop();
        else stopWaiting = stop;
      };
      this.#runs.start(runId, command, plan, origin, taken, true);
    });
  }
}

type Taken = Extract<StartReply, { status: 'started' | 'replayed' }>;

const isTaken = (reply: StartReply): reply is Taken => reply.status === 'started' || reply.status === 'replayed';

const refusalOf = (reply: Exclude<StartReply, Taken>, plan: Plan): HttpProblem =>
  reply.status === 'rejected'
    ? new HttpProblem(rejectionProblem(reply.rejection, plan))
    : new HttpProblem(unavailableProblem(reply.cause), { cause: reply.cause });

const headersOf = ({ status, started }: Taken): Record<string, string> => {
  const headers: Record<string, string> = { location: `/v1/runs/${started.id}` };
  if (status === 'replayed') headers['idempotent-replayed'] = 'true';
  return headers;
};
