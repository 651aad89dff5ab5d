import { isEnded, type Grant, type Plan, type Run, type Step, type StepKey } from '#domain';
import type { Audience, Position } from '#event-store';
import type { KnownRun } from './load-run.js';
import type { QueuedCommand } from './queued-command.js';
import type { Origin, RunId } from './runs.js';
import type { HoldUp } from './waits.js';

export type AttemptPlace = { readonly step: StepKey; readonly attempt: number };

/** An attempt whose start is in the log: now, and only now, its first byte may be sent. `url`: whose slot it has. */
export type StartedAttempt = AttemptPlace & { readonly url: string };

/** What the engine tells the owner of a run's news. The run is the owner's to read until it returns. */
export type RunNews = {
  readonly runId: RunId;
  readonly run: Run;
  readonly plan: Plan;
  readonly traceparent: string | null;
  readonly position: Position;
  /** True when this commit is the run's first. */
  readonly fresh: boolean;
};

/** News of our own making, told after each commit. */
export type Committed = RunNews & {
  readonly attempts: readonly StartedAttempt[];
  /** In flight until this commit, which has ended them by something else than what came of them. */
  readonly abandoned: readonly AttemptPlace[];
};

/**
 * Who holds the run's shard: gives grants, performs attempts, keeps time. The dispatcher is one; an engine without an
 * owner decides what it is asked for and appends it, and leaves every move and attempt owed.
 */
export interface Owner {
  /** Who decides what nobody else has asked for. */
  readonly origin: Origin;
  /** Whether the run is this owner's, though perhaps not for long. */
  holds(runId: RunId): boolean;
  /** Under which boot attempts of this run are made here now; `null` when the run is not this owner's. */
  bootOf(runId: RunId): string | null;
  /**
   * Whether attempts of other boots may be recorded as lost: only when it is sure that whoever made them is gone.
   * `startedAt`: of the last start of an attempt in the log.
   */
  inherits(runId: RunId, startedAt: Position): boolean;
  /**
   * A slot for one attempt of this step now, or `null`: then the run is woken when a slot is free. Steps that go to one url
   * need the same slots: what one is refused, all are.
   */
  grant(runId: RunId, step: Step, run: Run): Grant | null;
  /** An append of the run found no room in the log, which has nothing of it: the run is to be woken when there may be room. */
  stalled(runId: RunId): void;
  /** Gives back a slot for this url whose attempt was not committed. */
  refund(url: string, run: Run): void;
  /** What holds the attempt back that the step is owed; `null`: nothing that is known, or not for long. */
  holdUpOf(runId: RunId, step: Step, run: Run): HoldUp | null;
  /** Whether no byte of an attempt in flight has left, and none will once it is withheld. */
  isUnsent(runId: RunId, step: StepKey, attempt: number): boolean;
  /** What is being appended ends the attempt: if nothing of it was sent, nothing may be sent any more. */
  withhold(runId: RunId, step: StepKey, attempt: number): void;
  committed(commit: Committed): void;
  /** The run as its stream has it now: on a shared log others may have appended to it. */
  observed(news: RunNews): void;
}

/**
 * Whom a commit of this process is for. The owner knows what it appends itself; who waits for a run waits for what its owner
 * makes of it, or for its end. An owner that is about to lose the run tells everybody: the next one may follow already.
 */
export const audienceOf = (
  { runId, state }: { readonly runId: RunId; readonly state: Run | null },
  owner: Owner | null,
): Audience | undefined => {
  if (owner === null) return state !== null && isEnded(state) ? undefined : 'owner';
  return owner.bootOf(runId) === null ? undefined : 'waiting';
};

/** How many attempts other boots have left without an outcome, if it is the owner's to take them over. */
export const attemptsToInherit = ({ runId, state, startedAt }: KnownRun, owner: Owner): number => {
  const inFlight = state?.obligations.inFlight;
  if (inFlight === undefined || inFlight.size === 0) return 0;
  const boot = owner.bootOf(runId);
  if (boot === null) return 0;
  let lost = 0;
  for (const other of inFlight.values()) if (other !== boot) lost += 1;
  return lost > 0 && owner.inherits(runId, startedAt) ? lost : 0;
};

type Recipient = { readonly runId: RunId; send(queued: QueuedCommand): void };

/** Records them; again while there is more than fits one decision. */
export const loseAttempts = (mailbox: Recipient, owner: Owner): QueuedCommand => ({
  command: { type: 'LoseAttempts', boot: owner.bootOf(mailbox.runId) ?? '' },
  plan: null,
  origin: owner.origin,
  answerByMs: Infinity,
  done: (result) => {
    if (result.status === 'accepted' && result.changed) mailbox.send(loseAttempts(mailbox, owner));
  },
});
