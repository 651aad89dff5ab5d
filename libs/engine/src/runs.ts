import type { Plan, Precondition, Rejection, Run, RunEvent, RunStarted, StartRun, StepKey } from '#domain';
import type { Position, Revision } from '#event-store';
import type { Wait } from './waits.js';

/** The hash that names a run's stream: 26 characters of base32. */
export type RunId = string & { readonly __run: true };

/** Who asks, and in which trace. */
export type Origin = { readonly actor: string | null; readonly traceparent: string | null };
export const NOBODY: Origin = { actor: null, traceparent: null };

/** An event of a run that is in the log. */
export type Fact = { readonly event: RunEvent; readonly at: string };

export type LoadedRun = {
  readonly run: Run;
  readonly plan: Plan;
  readonly revision: Revision;
  readonly position: Position;
  /** All of them, from the first on, where they were kept for whoever waits; `null`: the log has them. */
  readonly facts: readonly Fact[] | null;
};

/** Whoever waits for an end; `null`: there is no such run. */
export type EndCall = (loaded: LoadedRun | null) => void;

export type StartReply =
  /** `replayed`: the key was known, and the payload the same; `started` is then the first one's. */
  | {
      readonly status: 'started' | 'replayed';
      readonly started: RunStarted;
      readonly startedAt: string;
      readonly position: Position;
    }
  | { readonly status: 'rejected'; readonly rejection: Rejection }
  | { readonly status: 'unavailable'; readonly cause: unknown };

export type CancelReply =
  | { readonly status: 'cancelled'; readonly loaded: LoadedRun }
  | { readonly status: 'rejected'; readonly rejection: Rejection }
  | { readonly status: 'unavailable'; readonly cause: unknown };

/** Since when, an instant, and why this process refuses to go on with a run. */
export type ParkedRun = { readonly since: string; readonly reason: string };

/**
 * What the API asks of the engine. Reads are always current: of the run's mailbox, or folded from its stream. When the log does
 * not answer for 5 s whoever asked is told `unavailable`; what may be in the log already is settled behind it all the same.
 */
export abstract class Runs {
  /**
   * The plan must be stored already. Calls `settle` once, after the commit. A callback: this is the hottest path. `isAwaited`: its
   * caller will wait for the end, and what is needed to show the run then is kept from now on.
   */
  abstract start(
    runId: RunId,
    command: StartRun,
    plan: Plan,
    origin: Origin,
    settle: (reply: StartReply) => void,
    isAwaited?: boolean,
  ): void;
  /** `precondition`: on the revision of the run; refused when that is another. */
  abstract cancel(
    runId: RunId,
    reason: string | null,
    origin: Origin,
    precondition?: Precondition,
  ): Promise<CancelReply>;
  /**
   * The state is good until the caller's turn of the event loop ends: read it at once, keep nothing of it. Fails when the log
   * does not answer within that time (5 s).
   */
  abstract load(runId: RunId, withinMs?: number): Promise<LoadedRun | null>;
  /** What the steps of a run wait for; as good as the state is. */
  abstract readonly waitsOf: (runId: RunId, run: Run) => readonly Wait[];
  /** `null`: the run is not parked by this process. Another that shares the log may have parked it all the same. */
  abstract parked(runId: RunId): ParkedRun | null;
  /** Calls back once when the run has ended (at once when it already has, `null` when there is no such run); returns how to stop waiting. */
  abstract whenEnded(runId: RunId, call: EndCall): () => void;
  /** The same for a step: calls back once when it has ended, or when the run has, be it without the step. */
  abstract whenStepEnded(runId: RunId, step: StepKey, call: EndCall): () => void;
}
