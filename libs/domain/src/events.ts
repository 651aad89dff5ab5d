import type { NodeId, NodeType, PolicyId, StepNode } from './plan.js';
import type { JsonText, PayloadRef } from './payload.js';

/** Names a step in its run: `ship`, `notify.email`. */
export type StepKey = string;
/** ISO 8601 UTC with milliseconds. */
export type Instant = string;

/** What went wrong: a name to match on, and the reason in a person's words. */
export type ErrorInfo = { readonly name: string; readonly cause: string | null };

/** What is known of a failed exchange, apart from whether it is retried. */
export const FAILURE_CLASSES = ['refused', 'not-executed', 'may-have-executed'] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/**
 * The events of a run: facts, enough to fold without the plan. A shape is for ever; new meaning is a new `v` with an
 * upcaster. `recordedAt` of the envelope is the time of every event.
 */
export type RunEvent =
  | RunStarted
  /** `mapped`: what its definition makes of the output; `null`: that it is. */
  | { readonly type: 'RunCompleted'; readonly output: PayloadRef; readonly mapped: JsonText | null }
  | { readonly type: 'RunFailed'; readonly step: StepKey; readonly error: ErrorInfo }
  | { readonly type: 'RunCancelled'; readonly reason: string | null }
  | { readonly type: 'RunTimedOut'; readonly error: ErrorInfo }
  /** Starts whose key was known: so many were answered as the first one was, so many refused for another payload. */
  | { readonly type: 'DuplicateStartsSeen'; readonly count: number; readonly refused: number }
  | DuesMoved
  | StepEntered
  | ValuesComputed
  | SlotOpened
  | WaitEnded
  | StepCompleted
  | StepFailed
  | StepCancelled
  | {
      readonly type: 'StepSkipped';
      readonly step: StepKey;
      readonly node: NodeId;
      readonly name: string;
      readonly kind: NodeType;
      readonly parent: StepKey | null;
      readonly slot: number | null;
    }
  | AttemptStarted
  | AttemptSucceeded
  | AttemptFailed
  | { readonly type: 'AttemptOutcomeUnknown'; readonly step: StepKey; readonly attempt: number }
  | RunArchived
  | Foreign;

export type RunStarted = {
  readonly type: 'RunStarted';
  /** As people see it: the hash, and the suffix asked for. */
  readonly id: string;
  readonly key: string;
  readonly workflow: string | null;
  /** A version, the draft, or `null` for an inline definition. */
  readonly version: number | 'draft' | null;
  /** SHA-256 (hex) of the plan as it is stored; the plan is in stream `plan-<hash>`. */
  readonly plan: string;
  readonly namespace: string;
  readonly queue: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly correlationId: string | null;
  readonly requestor: string | null;
  /** SHA-256 (hex) of the canonical JSON of the request as sent. */
  readonly fingerprint: string;
  readonly fromStep: StepKey | null;
  readonly timeoutAt: Instant | null;
  readonly variables: JsonText;
  readonly input: JsonText;
};

export type StepEntered = {
  readonly type: 'StepEntered';
  readonly step: StepKey;
  readonly node: NodeId;
  readonly name: string;
  readonly kind: NodeType;
  /** The container's step; `null` at the root. */
  readonly parent: StepKey | null;
  /** Which slot of its container it sits in; `null` at the root. */
  readonly slot: number | null;
  /** A container's: how many slots it has, and how many of them are open at one time. `null` for every other kind. */
  readonly slots: SlotCounts | null;
  /** It waits for its `ValuesComputed` before it does anything. */
  readonly computes: boolean;
  readonly request: {
    readonly method: StepNode['method'];
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly contentType: string;
  } | null;
  /** By what it is tried when it has no node of its own, and `node` is the one that made it. `null`: its node says it. */
  readonly policy: PolicyId | null;
  /** No attempt outlives it (`stepMs`). */
  readonly deadlineAt: Instant | null;
  /** From then on no further attempt starts (`totalTimeoutMs`); the first may wait for its slot. */
  readonly retriesEndAt: Instant | null;
  /** A payload stored earlier in this stream, or one made here. */
  readonly input: PayloadRef | { readonly value: JsonText };
};

export type SlotCounts = { readonly count: number; readonly window: number };

/** What a step that was entered has computed of its own: with these it begins. What is `null` is none of its kind's. */
export type ValuesComputed = {
  readonly type: 'ValuesComputed';
  readonly step: StepKey;
  readonly request: StepEntered['request'];
  /** A container's; `from`: the first of them. */
  readonly slots: (SlotCounts & { readonly from: number }) | null;
  /** What its slots are given, an element each: an array stored earlier, or made here. */
  readonly items: PayloadRef | { readonly value: JsonText } | null;
  /** How long it waits. */
  readonly wait: Wait | null;
};

/** `ms`: so long, by the clock that says `wakeAt`; `null`: until then, however long that is. */
export type Wait = { readonly wakeAt: Instant; readonly ms: number | null };

/** A further slot of a container that opens them one by one. */
export type SlotOpened = { readonly type: 'SlotOpened'; readonly step: StepKey; readonly slot: number };

export type WaitEnded = { readonly type: 'WaitEnded'; readonly step: StepKey };

export type StepCompleted = {
  readonly type: 'StepCompleted';
  readonly step: StepKey;
  /** True when the token of its slot ends here: the join of its container counts one less. */
  readonly endsSlot: boolean;
  /** Which way its token goes on, of a node that has several. `null`: its node has one. */
  readonly edge: Edge | null;
  /** What flows on instead of the output, as its node says. `null`: the output does. */
  readonly mapped: JsonText | null;
  /** The name under which what flows on is kept. */
  readonly as: string | null;
  /** Of its own: a payload stored earlier, one made here, or the array of payloads stored earlier (`null`: a slot without one). */
  readonly output: PayloadRef | { readonly value: JsonText } | { readonly all: readonly (PayloadRef | null)[] };
};

/** A way out of a node that was taken: nothing that led to it is evaluated again, be it to fold a run or to understand it. */
export type Edge = {
  /** Its place among the ways out, from 0, in the order in which the definition has them. */
  readonly index: number;
  /** Where it leads; `null`: the scope ends there. */
  readonly next: NodeId | null;
};

export type StepFailed = {
  readonly type: 'StepFailed';
  readonly step: StepKey;
  readonly error: ErrorInfo;
  /** True when its container goes on after errors and counts its slot as ended. */
  readonly endsSlot: boolean;
};

/** One cause ends every open step below a container, in one event, so that it fits one append however many they are. */
export type StepCancelled = {
  readonly type: 'StepCancelled';
  /** The container, which ends by an event of its own; `null`: the run, which does so too. */
  readonly below: StepKey | null;
  readonly reason: string;
  /**
   * What is known of the attempts that were in flight: each closes with its class, abandoned. One that is not in the list, which
   * is bounded, may have executed.
   */
  readonly attempts: readonly { readonly step: StepKey; readonly attempt: number; readonly class: FailureClass }[];
};

/** The wall clock was set back: what was planned by it before is due by it now. Only what has moved is in it. */
export type DuesMoved = {
  readonly type: 'DuesMoved';
  readonly retries: readonly { readonly step: StepKey; readonly retryAt: Instant }[];
  readonly deadlines: readonly { readonly step: StepKey; readonly deadlineAt: Instant }[];
  readonly waits: readonly { readonly step: StepKey; readonly wakeAt: Instant }[];
  readonly timeoutAt: Instant | null;
};

export type AttemptStarted = {
  readonly type: 'AttemptStarted';
  readonly step: StepKey;
  /** Counts from 1. */
  readonly attempt: number;
  readonly dispatcher: string;
  /** Fresh at each start of the dispatcher's process. */
  readonly boot: string;
};

export type AttemptSucceeded = {
  readonly type: 'AttemptSucceeded';
  readonly step: StepKey;
  readonly attempt: number;
  readonly status: number;
  readonly output: JsonText;
};

export type AttemptFailed = {
  readonly type: 'AttemptFailed';
  readonly step: StepKey;
  readonly attempt: number;
  readonly class: FailureClass;
  readonly status: number | null;
  readonly error: ErrorInfo;
  /** The beginning of an answer that failed, as text, at most 4 KiB; `null`: none came. */
  readonly body: string | null;
  /** When the next attempt is due, jitter included; `null`: none follows. */
  readonly retryAt: Instant | null;
  /** Ended by our own shutdown: raises the number, not the budget. */
  readonly interrupted: boolean;
};

/**
 * All that is left of a run in the log: its history is in a file. The first event of its stream, or, where the log hides
 * old events late, the last. Says enough to judge a start that is sent again, and where the rest is.
 */
export type RunArchived = Pick<
  RunStarted,
  'id' | 'key' | 'workflow' | 'version' | 'plan' | 'namespace' | 'fingerprint'
> & {
  readonly type: 'RunArchived';
  readonly status: EndStatus;
  readonly startedAt: Instant;
  readonly finishedAt: Instant;
  /** How many events it stands for, and so its own revision. */
  readonly events: number;
  /** Name of the file, in the folder of archives. */
  readonly file: string;
};

/**
 * What somebody else has put into the stream, by a page of the server for one: it takes its revision and means nothing. No
 * decision makes it, and nothing like it is ever appended.
 */
export type Foreign = {
  readonly type: 'Foreign';
  /** As the log has it. */
  readonly eventType: string;
  /** Of its data. */
  readonly bytes: number;
  /** Its data, if they are JSON and not too large to show; else `null`. */
  readonly content: unknown;
};

/** How a run may end. */
export const END_STATUSES = ['completed', 'failed', 'cancelled', 'timed-out'] as const;
export type EndStatus = (typeof END_STATUSES)[number];
