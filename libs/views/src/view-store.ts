import type { Instant, NodeType, RunStatus, StepStatus } from '#domain';
import type { Commit, Position, Revision, StreamName } from '#event-store';

/** What a list of runs is asked for. Members that are absent do not filter; those given must all hold. */
export type RunListQuery = {
  /** Any of them. */
  readonly statuses?: readonly RunStatus[];
  readonly workflow?: string;
  readonly version?: number | 'draft';
  readonly namespace?: string;
  readonly queue?: string;
  /** Every one of them. */
  readonly tags?: readonly { readonly name: string; readonly value: string }[];
  readonly key?: string;
  readonly correlationId?: string;
  readonly requestor?: string;
  /** An outgoing `Idempotency-Key`: finds the run that sent it. */
  readonly stepKey?: string;
  /** Created at or after; ISO 8601 UTC with milliseconds, as all instants here. */
  readonly from?: Instant;
  /** Created before. */
  readonly to?: Instant;
  readonly resolved?: boolean;
  /** Running, or ended at or after. */
  readonly aliveSince?: Instant;
  /** Of creation in the log; `desc` is newest first. */
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string;
  /** The view must have reached this position, else the answer is `behind`. Wait with `Projector.waitFor` first. */
  readonly minPosition?: Position;
};

/** A run in a list: the run's own shape without its payloads and steps. */
export type RunListItem = {
  readonly id: string;
  readonly key: string;
  readonly workflow: string | null;
  readonly version: number | 'draft' | null;
  readonly namespace: string;
  readonly queue: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly correlationId: string | null;
  readonly requestor: string | null;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly error: { readonly name: string; readonly cause: string | null } | null;
  readonly createdAt: Instant;
  readonly finishedAt: Instant | null;
  readonly resolved: boolean;
  readonly parent: null;
  readonly revision: number;
};

export type RunListPage =
  /** `items` is JSON text, an array of `RunListItem`: made once, beside the rows, and sent as it is. */
  | { readonly status: 'page'; readonly items: string; readonly nextCursor: string | null; readonly position: Position }
  /** The cursor is no cursor, or one of other filters. */
  | { readonly status: 'bad-cursor' }
  | { readonly status: 'behind'; readonly position: Position };

/** What a list of steps is asked for. Members that are absent do not filter; those given must all hold. */
export type StepListQuery = {
  /** Any of them. */
  readonly statuses?: readonly StepStatus[];
  readonly workflow?: string;
  readonly version?: number | 'draft';
  /** Origin of the request. */
  readonly target?: string;
  readonly type?: NodeType;
  readonly namespace?: string;
  readonly queue?: string;
  /** Entered at or after. */
  readonly from?: Instant;
  /** Entered before. */
  readonly to?: Instant;
  /** Of the start of the run, then of entry; `desc` is newest first. */
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor?: string;
  readonly minPosition?: Position;
};

/** A step in a list: without its payloads, and its attempts only counted. */
export type StepListItem = {
  readonly run: string;
  readonly workflow: string | null;
  readonly version: number | 'draft' | null;
  readonly namespace: string;
  readonly queue: string;
  readonly key: string;
  readonly name: string;
  readonly type: NodeType;
  readonly status: StepStatus;
  readonly target: string | null;
  readonly attempts: number;
  /** Of the step, or of its last attempt while another follows. */
  readonly error: { readonly name: string; readonly cause: string | null } | null;
  readonly enteredAt: Instant;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
  readonly retryAt: Instant | null;
};

/** `items` is JSON text, an array of `StepListItem`. A page may have fewer than asked for, and none, and yet another follow. */
export type StepListPage = RunListPage;

/** A run whose steps are to be read from its stream, up to that revision, which is where the views stand. */
export type StepRun = { readonly seq: number; readonly runId: string; readonly revision: number };

/** What the views know of a list of steps: all of a page, or in which runs to look, since completed steps have no rows. */
export type StepListAnswer =
  | StepListPage
  | {
      readonly status: 'in-runs';
      readonly runs: readonly StepRun[];
      /** More runs follow. */
      readonly more: boolean;
      /** Between these, both included, are the places of the steps that the page may have. */
      readonly places: { readonly min: number; readonly max: number };
      readonly position: Position;
    };

/** A stream whose events could not be folded: its rows stay as they were before `position`, the other streams go on. */
export type ParkedStream = {
  readonly stream: StreamName;
  readonly position: Position;
  readonly revision: Revision;
  readonly eventType: string;
  readonly error: string;
  /** Events left out, the poisonous one included. */
  readonly skipped: number;
};

/** Part of the log: everything after `after` up to `through`, of which only the commits of runs are handed over. */
export type Batch = { readonly after: Position; readonly through: Position; readonly commits: readonly Commit[] };

export type Applied =
  | { readonly status: 'applied'; readonly checkpoint: Position }
  /** The view stands before `after`: applying would leave a hole. Go on from its checkpoint. */
  | { readonly status: 'gap'; readonly checkpoint: Position };

/** The views cannot be reached now: their thread died or they are stopped. Their rows are safe; `start` brings them back. */
export class ViewsUnavailable extends Error {
  readonly code = 'views-unavailable';
  readonly retryable = true;
}

/** There is no room to make or open them. They are tried again, and what needs none of them goes on meanwhile. */
export class ViewsFull extends ViewsUnavailable {}

/** The database of the views was written by a newer release. */
export class ViewsTooNew extends Error {
  readonly code = 'views-too-new';
  readonly retryable = false;
}

/** The views have seen events that the log does not hold: it was restored from an older copy, or replaced. */
export class ViewsAheadOfLog extends Error {
  readonly code = 'views-ahead-of-log';
  readonly retryable = false;

  constructor(checkpoint: Position, head: Position) {
    super(`the views stand at ${checkpoint}, the log ends at ${head}: rebuild the views (npm run views:rebuild)`);
  }
}

/**
 * Keeps the views: rows and checkpoint change in one transaction, or not at all. What was applied before is ignored, so
 * that batches may be repeated. Every method but `start` and `stop` may reject with `ViewsUnavailable`.
 */
export abstract class ViewStore {
  /** Opens the current set of views, a new one where there is none. Also after its thread died. Idempotent. */
  abstract start(): Promise<void>;
  abstract stop(): Promise<void>;
  /** The position up to which everything is in the views. */
  abstract checkpoint(): Promise<Position>;
  abstract apply(batch: Batch): Promise<Applied>;
  abstract listRuns(query: RunListQuery): Promise<RunListPage>;
  /** Ask `StepList`, which completes the answer out of the log. */
  abstract listSteps(query: StepListQuery): Promise<StepListAnswer>;
  /** In the order of their positions, at most `PARKED_LIST_MAX`. */
  abstract parked(): Promise<readonly ParkedStream[]>;
}

export const PARKED_LIST_MAX = 100;
