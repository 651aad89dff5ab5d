import type { Plan, RunCommand, RunState } from '#domain';
import type { Position, Revision, StreamName } from '#event-store';
import type { LoadedRun, Origin, RunId } from './runs.js';
import type { Rejection } from '#domain';

/** What became of a command. `done` is called after the commit; never before it. */
export type CommandResult =
  | { readonly status: 'accepted'; readonly loaded: LoadedRun; readonly changed: boolean }
  | { readonly status: 'rejected'; readonly rejection: Rejection; readonly loaded: LoadedRun | null }
  | { readonly status: 'unavailable'; readonly cause: unknown };

export type Queued = {
  readonly command: RunCommand;
  /** Of a start: the plan that the run would have. */
  readonly plan: Plan | null;
  readonly origin: Origin;
  readonly done: ((result: CommandResult) => void) | null;
};

/**
 * One run in memory: its folded state, and the commands that wait while an append of it is in flight. `state` runs ahead
 * of the log only while `busy`; nobody outside reads it then.
 */
export type Mailbox = {
  readonly runId: RunId;
  readonly stream: StreamName;
  state: RunState | null;
  plan: Plan | null;
  /** Of the last event that is in the log and in `state`. */
  position: Position;
  traceparent: string | null;
  /** A decision, an append or a load is under way, or readers look at the state. */
  busy: boolean;
  /** Busy for readers only: what they see is committed, and others may look as well. */
  held: boolean;
  /** False until the stream was read, or the run was started here. */
  loaded: boolean;
  conflicts: number;
  /** The last append was full: more is owed at once. */
  more: boolean;
  queue: Queued[];
  /** Called when not busy any more. */
  idle: (() => void)[];
  /** Called once the run has ended. */
  ended: Set<(loaded: LoadedRun | null) => void>;
};

export const newMailbox = (runId: RunId, stream: StreamName): Mailbox => ({
  runId,
  stream,
  state: null,
  plan: null,
  position: NOWHERE,
  traceparent: null,
  busy: false,
  held: false,
  loaded: false,
  conflicts: 0,
  more: false,
  queue: [],
  idle: [],
  ended: new Set(),
});

// Before every event: the brand of a position is given by the store alone, and this one is never shown.
const NOWHERE = -1 as Position;

/** What a reader of the run gets: as live as the state, and no less. */
export const loadedOf = ({ state, plan, position }: Mailbox): LoadedRun | null =>
  // The domain counts revisions as plain numbers; the store brands them.
  state === null || plan === null ? null : { run: state, plan, revision: state.revision as Revision, position };

/** What its sender is told of a command once it is committed. */
export const resultOf = (loaded: LoadedRun | null, rejection: Rejection | null, changed: boolean): CommandResult => {
  if (rejection !== null) return { status: 'rejected', rejection, loaded };
  if (loaded === null) return { status: 'rejected', rejection: { code: 'run-not-found' }, loaded };
  return { status: 'accepted', loaded, changed };
};
