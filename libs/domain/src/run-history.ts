import type { ErrorInfo, Instant, RunArchived, RunStarted, StepEntered, StepKey, Wait } from './events.js';
import type { NodeId, NodeType } from './plan.js';
import type { AttemptOutcome, PayloadSource, RunStatus, StepStatus } from './run.js';

/**
 * All that a run shows of itself, as folded from its committed events by `foldHistory`, which owns it. Nothing is decided on
 * it: what the run is owed now is in `Run`, which forgets what is over.
 */
export type RunHistory = {
  readonly started: RunStarted;
  readonly startedAt: Instant;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly error: ErrorInfo | null;
  readonly output: PayloadSource | null;
  readonly finishedAt: Instant | null;
  /** Of the last event folded. */
  readonly revision: number;
  readonly duplicates: { readonly count: number; readonly refused: number };
  /** In the order they were entered. */
  readonly steps: ReadonlyMap<StepKey, HistoryStep>;
  /** Those at the root, in the order they were entered. */
  readonly children: readonly HistoryStep[];
  /** Not null when the history is in a file: then this is all that is known, and `started` holds no more than it says. */
  readonly archived: RunArchived | null;
};

/** A node as the run has entered it, with all that came of it. */
export type HistoryStep = {
  readonly key: StepKey;
  readonly node: NodeId;
  readonly name: string;
  readonly kind: NodeType;
  readonly parent: StepKey | null;
  readonly status: StepStatus;
  readonly input: PayloadSource;
  readonly output: PayloadSource | null;
  /** What flows on instead of its output; `null`: that does. */
  readonly mapped: PayloadSource | null;
  readonly error: ErrorInfo | null;
  readonly enteredAt: Instant;
  /** Of the event that entered it. */
  readonly enteredRevision: number;
  readonly finishedAt: Instant | null;
  readonly request: StepEntered['request'];
  /** Of a map: what its items are. */
  readonly items: PayloadSource | null;
  /** Of a wait: until when, and for how long. */
  readonly wait: Wait | null;
  readonly attempts: readonly HistoryAttempt[];
  /** When the next attempt is due; set only while `waiting-retry`. */
  readonly retryAt: Instant | null;
  /** The steps in it, in the order they were entered. */
  readonly children: readonly HistoryStep[];
};

export type HistoryAttempt = {
  readonly number: number;
  readonly outcome: AttemptOutcome;
  readonly status: number | null;
  readonly error: ErrorInfo | null;
  /** The beginning of an answer that failed, as text. */
  readonly body: string | null;
  readonly startedAt: Instant;
  readonly endedAt: Instant | null;
  readonly retryAt: Instant | null;
  readonly dispatcher: string;
};
