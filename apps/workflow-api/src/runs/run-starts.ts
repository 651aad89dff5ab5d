import { Inject, Injectable } from '@nestjs/common';
import type { Plan, StartRun } from '#domain';
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
  readonly #plans: CataloguePlans;
  readonly #clock: Clock;
  readonly #limits: Config['limits'];
  readonly #closing: AbortSignal;
  readonly #waits = new Bag<Wait>();

  constructor(
    runs: Runs,
    plans: CataloguePlans,
    clock: Clock,
    @Inject(CONFIG) { limits }: Config,
    { signal }: ServerClosing,
  ) {
    this.#runs = runs;
    this.#plans = plans;
    this.#clock = clock;
    this.#limits = limits;
    this.#closing = signal;
    signal.addEventListener('abort', () => {
      for (const { giveUp } of this.#waits.items()) giveUp();
    });
  }

  /** The body of the reply; with `Prefer: wait` it comes at the end of the run, or when the wait is over. */
  async start(request: HttpRequest, reply: HttpReply): Promise<string | null> {
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
    const sinceMs = this.#clock.monotonicMs();
    const started = await this.#commit(start, command, startable.plan);
    if (started.status === 'unavailable')
      throw new HttpProblem(unavailableProblem(started.cause), { cause: started.cause });
    if (started.status === 'rejected') throw new HttpProblem(rejectionProblem(started.rejection, startable.plan));
    return shape(request, reply, await this.#answer(start, started, sinceMs, reply));
  }

  /** With `Prefer: wait` no longer than that: whoever waits is answered then, whatever the log does. */
  #commit({ runId, waitSeconds, origin }: Start, command: StartRun, plan: Plan): Promise<StartReply> {
    return new Promise((settle) => {
      if (waitSeconds === null) return this.#runs.start(runId, command, plan, origin, settle);
      const withinMs = Math.max(waitSeconds * 1_000, AT_LEAST_MS);
      const takeBack = this.#clock.after(withinMs, () => settle({ status: 'unavailable', cause: null }));
      this.#runs.start(runId, command, plan, origin, (reply) => {
        takeBack();
        settle(reply);
      });
    });
  }

  #answer(
    { runId, waitSeconds }: Start,
    { status, started, startedAt, position }: Extract<StartReply, { status: 'started' | 'replayed' }>,
    sinceMs: number,
    reply: HttpReply,
  ): Answer | Promise<Answer> {
    const headers: Record<string, string> = { location: `/v1/runs/${started.id}` };
    if (status === 'replayed') headers['idempotent-replayed'] = 'true';
    if (waitSeconds === null) return { text: startedText(started, startedAt), position, headers };
    headers['preference-applied'] = `wait=${waitSeconds}`;
    const waitMs = waitSeconds * 1_000 - (this.#clock.monotonicMs() - sinceMs);
    return this.#answerAtEnd(runId, Math.max(waitMs, 0), headers, reply);
  }

  /**
   * 200 with the run when it ends in time, else 202 with the run so far. A fault in making the answer is the caller's alone:
   * it must not reach the engine, which calls back out of a commit.
   */
  #answerAtEnd(
    runId: RunId,
    waitMs: number,
    headers: Record<string, string>,
    { raw: response }: HttpReply,
  ): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
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
          if (loaded === null) throw new HttpProblem(STORAGE_UNAVAILABLE);
          const { run, plan, position } = loaded;
          const text = runText(run, plan, this.#runs.waitsOf(runId, run));
          resolve({ text, position, headers, status: run.status === 'running' ? 202 : 200 });
        } catch (error) {
          reject(error);
        }
      };
      const giveUp = (): void => {
        if (settle()) this.#runs.load(runId, AT_LEAST_MS).then(answer, reject);
      };
      const wait: Wait = { giveUp, place: -1 };
      // A start that was on its way to the log when the server was told to stop waits for nothing any more.
      const takeBack = this.#clock.after(this.#closing.aborted ? 0 : waitMs, giveUp);
      this.#waits.add(wait);
      response.on('close', settle);
      const stop = this.#runs.whenEnded(runId, (loaded) => {
        if (settle()) answer(loaded);
      });
      if (settled) stop();
      else stopWaiting = stop;
    });
  }
}
