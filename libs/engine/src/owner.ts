import type { Grant, Plan, Run, Step, StepKey } from '#domain';
import type { Position } from '#event-store';
import type { RunId } from './runs.js';

/** An attempt whose start is in the log: now, and only now, its first byte may be sent. */
export type StartedAttempt = { readonly step: StepKey; readonly attempt: number };

/** What the engine tells the owner of a run after each commit. The run is the owner's to read until it returns. */
export type Committed = {
  readonly runId: RunId;
  readonly run: Run;
  readonly plan: Plan;
  readonly traceparent: string | null;
  readonly position: Position;
  /** True when this commit is the run's first. */
  readonly fresh: boolean;
  readonly attempts: readonly StartedAttempt[];
};

/**
 * Who holds the run's shard: gives grants, performs attempts, keeps time. The dispatcher is one; an engine without an
 * owner decides and appends, and leaves every attempt owed.
 */
export interface Owner {
  /** Fresh at each start of the process: attempts of another boot have no known outcome. */
  readonly boot: string;
  /** A slot for one attempt of this step now, or `null`: then the run is woken when a slot is free. */
  grant(runId: RunId, step: Step, run: Run): Grant | null;
  /** Gives back a slot whose attempt was not committed. */
  refund(step: Step, run: Run): void;
  committed(commit: Committed): void;
}
