import type { Obligations } from './obligations.js';
import { END_STATUSES, FAILURE_CLASSES } from './events.js';
import type {
  ErrorInfo,
  Instant,
  RunArchived,
  RunStarted,
  StepCompleted,
  StepEntered,
  StepKey,
  Wait,
} from './events.js';
import type { NodeId, NodeType } from './plan.js';
import type { JsonText, PayloadRef } from './payload.js';
import type { Payloads } from './payloads.js';

export const RUN_STATUSES = ['running', ...END_STATUSES] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

const OPEN_STEP_STATUSES = ['scheduled', 'running', 'waiting-retry', 'waiting-timer'] as const;
export const STEP_STATUSES = [...OPEN_STEP_STATUSES, 'completed', 'failed', 'cancelled', 'skipped'] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];
const OPEN_STEPS: ReadonlySet<string> = new Set(OPEN_STEP_STATUSES);

/** A run as folded from its events. `evolve` owns it and updates it in place; everyone else sees it read-only. */
export type Run = {
  readonly started: RunStarted;
  readonly startedAt: Instant;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly error: ErrorInfo | null;
  readonly output: JsonText | null;
  /** Where the output is stored. */
  readonly outputRef: PayloadSource | null;
  readonly finishedAt: Instant | null;
  /** When it times out; moved when the wall clock was set back. */
  readonly timeoutAt: Instant | null;
  /** When dues were moved last: by step, `''` for the run's own; `null`: none ever was. */
  readonly duesMovedAt: ReadonlyMap<StepKey, Instant> | null;
  /** Of the last event folded. */
  readonly revision: number;
  /** How many steps were entered, each entry counted. */
  readonly enteredSteps: number;
  /** What all payloads stored by its events take together, as UTF-8. */
  readonly payloadBytes: number;
  /** Those that a token is at, and the containers around them, in the order they were entered; all others are forgotten. */
  readonly steps: ReadonlyMap<StepKey, Step>;
  /** How often nodes were entered, by place and name, of places that are open. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly duplicates: { readonly count: number; readonly refused: number; readonly notedAt: Instant | null };
  readonly obligations: Obligations;
  /** Where the one token of each scope is: the step last entered there, `null` when none is yet. */
  readonly tokens: ReadonlyMap<ScopeKey, StepKey | null>;
  readonly payloads: Payloads;
  /** What is kept by name (`as`), by the scope that knows it. */
  readonly names: ReadonlyMap<ScopeKey, ReadonlyMap<string, PayloadSource>>;
  /** Not null when the history is in a file: then this is all that is known, and `started` holds no more than it says. */
  readonly archived: RunArchived | null;
};

/** A node as entered by the run. */
export type Step = {
  readonly key: StepKey;
  readonly node: NodeId;
  readonly name: string;
  readonly kind: NodeType;
  readonly parent: StepKey | null;
  readonly slot: number | null;
  readonly status: StepStatus;
  readonly input: JsonText;
  /** Revision and pointer of the input, so that what passes through is referred to, not stored again. */
  readonly inputRef: PayloadSource;
  readonly output: JsonText | null;
  /** What flows on; until the step is completed, its answer. */
  readonly outputRef: PayloadSource | null;
  readonly error: ErrorInfo | null;
  readonly enteredAt: Instant;
  readonly finishedAt: Instant | null;
  readonly deadlineAt: Instant | null;
  /** From then on no further attempt starts. */
  readonly retriesEndAt: Instant | null;
  readonly request: StepEntered['request'];
  /** Of a step without a node of its own: by what it is tried. */
  readonly policy: StepEntered['policy'];
  /** Of one that completed, when its node has several ways out: the one that was taken. */
  readonly edge: StepCompleted['edge'];
  readonly attempts: readonly Attempt[];
  /** Attempts that count against `maxAttempts`: all but unknown and interrupted ones. */
  readonly budgetUsed: number;
  /** When the next attempt is due; set only while `waiting-retry`. */
  readonly retryAt: Instant | null;
  /** It has values of its own to compute before it begins. */
  readonly computes: boolean;
  /** Of a container that was entered; `null` for every other step, and until its slots are known. */
  readonly slots: Slots | null;
  /** What its slots are given, an element each; `null`: each is given what the container is. */
  readonly items: PayloadSource | null;
  readonly wait: Wait | null;
  /** True when the token of its slot ended with it, and the join of its container has counted that. */
  readonly endedSlot: boolean;
};

/** The slots of a container: a branch, an item, a round or the body each, every one with a token of its own. */
export type Slots = {
  /** How many have been given a token; they are opened in their order, and each that ends lets the next one open. */
  readonly opened: number;
  /** Those given a token that has not ended there. */
  readonly open: ReadonlySet<number>;
  /** The one that ended last did so by a `succeed`: what is around it ends with it. */
  readonly endedBySucceed: boolean;
  /** How many have not ended, those not opened included. At 0 they are joined. */
  readonly left: number;
  /** What each ended with; `null` for a failed, skipped or open one. */
  readonly outputs: readonly (PayloadSource | null)[];
};

/** Names a scope as entered: `''` the root, `<step>#<slot>` a slot of a container. */
export type ScopeKey = string;

/** The scope of a slot. */
export const slotKey = (container: StepKey, slot: number): ScopeKey => `${container}#${slot}`;

/** The scope a step sits in. */
export const scopeOf = ({
  parent,
  slot,
}: {
  readonly parent: StepKey | null;
  readonly slot: number | null;
}): ScopeKey => (parent === null || slot === null ? '' : slotKey(parent, slot));

/** A payload at its place in the stream. */
export type PayloadSource = PayloadRef & { readonly text: JsonText };

export const ATTEMPT_OUTCOMES = ['running', 'succeeded', ...FAILURE_CLASSES, 'unknown'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

export type Attempt = {
  readonly number: number;
  readonly outcome: AttemptOutcome;
  readonly status: number | null;
  readonly error: ErrorInfo | null;
  readonly startedAt: Instant;
  readonly endedAt: Instant | null;
  readonly retryAt: Instant | null;
  readonly interrupted: boolean;
  readonly dispatcher: string;
  readonly boot: string;
};

const RUN_ENDS: ReadonlySet<string> = new Set(END_STATUSES);

/** By name: a run that does not go on at this moment, as one that is paused, has not ended. */
export const isEnded = ({ status }: { readonly status: string }): boolean => RUN_ENDS.has(status);
export const isStepEnded = ({ status }: { readonly status: string }): boolean => !OPEN_STEPS.has(status);
