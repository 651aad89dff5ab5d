import type { Plan, RunCommand } from '#domain';
import type { Log, LogFields } from '#runtime';
import { LOG_START, type Revision, type StreamName } from '#event-store';
import type { DecisionBatch } from './decision-batch.js';
import type { FoldedRun } from './load-run.js';
import type { Sending } from './log-appends.js';
import type { Owner } from './owner.js';
import { callBack, type Readers } from './readers.js';
import type { LoadedRun, Origin, RunId, StartReply } from './runs.js';
import type { Rejection } from '#domain';

export const DISOWNED = new Error('the shard of the run is not owned here any more');

export const STOPPED = new Error('the engine has stopped');

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
  /** `null`: nobody is told, or not any more. */
  done: ((result: CommandResult) => void) | null;
  /** Who asks is told by then, whatever the log does; by the monotonic clock. */
  readonly answerByMs: number;
};

/** A decision on its way into the log. */
export type Deciding = Sending & { readonly mailbox: Mailbox; readonly batch: DecisionBatch };

/**
 * One run in memory: its folded state, and the commands that wait while an append of it is in flight. `state` runs ahead
 * of the log only while `busy`; nobody outside reads it then.
 */
export type Mailbox = FoldedRun &
  Readers & {
    readonly runId: RunId;
    readonly stream: StreamName;
    plan: Plan | null;
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
    /** The decision that is on its way into the log. */
    deciding: Deciding | null;
    /** Whether what is queued waits for more to be decided with: not, still, or not any more. */
    company: 'none' | 'awaited' | 'over';
    /** On a shared log: the last revision that was met there. */
    metRevision: number;
    /** The owner has let go of the run: what is under way changes nothing here any more. */
    disowned: boolean;
    /** Called once the run has ended. */
    ended: Set<(loaded: LoadedRun | null) => void>;
  };

export const newMailbox = (runId: RunId, stream: StreamName): Mailbox => ({
  runId,
  stream,
  state: null,
  plan: null,
  position: LOG_START,
  startedAt: LOG_START,
  traceparent: null,
  bytes: 0,
  busy: false,
  held: false,
  loaded: false,
  conflicts: 0,
  more: false,
  queue: [],
  deciding: null,
  company: 'none',
  metRevision: -1,
  asked: null,
  answering: null,
  disowned: false,
  idle: [],
  ended: new Set(),
});

/** What a reader of the run gets: as live as the state, and no less. */
export const loadedOf = ({ state, plan, position }: Mailbox): LoadedRun | null =>
  // The domain counts revisions as plain numbers; the store brands them.
  state === null || plan === null ? null : { run: state, plan, revision: state.revision as Revision, position };

/** Tells senders of commands that nothing can be said of them. */
export const refuseAll = (log: Log, runId: RunId, senders: readonly Queued[], cause: unknown): void => {
  for (const { done } of senders) callBack(log, runId, done, { status: 'unavailable', cause });
};

/** What its sender is told of a command once it is committed. */
export const resultOf = (loaded: LoadedRun | null, rejection: Rejection | null, changed: boolean): CommandResult => {
  if (rejection !== null) return { status: 'rejected', rejection, loaded };
  if (loaded === null) return { status: 'rejected', rejection: { code: 'run-not-found' }, loaded };
  return { status: 'accepted', loaded, changed };
};

/** Takes over the attempts that other boots left without an outcome, if it is the owner's to do; how many there are. */
export const inheritAttempts = (mailbox: Mailbox, owner: Owner): number => {
  const inFlight = mailbox.state?.obligations.inFlight;
  if (inFlight === undefined || inFlight.size === 0) return 0;
  const boot = owner.bootOf(mailbox.runId);
  if (boot === null) return 0;
  let lost = 0;
  for (const other of inFlight.values()) if (other !== boot) lost += 1;
  if (lost === 0 || !owner.inherits(mailbox.runId, mailbox.startedAt)) return 0;
  mailbox.queue.unshift(loseAttempts(mailbox, boot, owner.origin));
  return lost;
};

/** Records what other boots left without an outcome; again while there is more than fits one decision. */
const loseAttempts = (mailbox: Mailbox, boot: string, origin: Origin): Queued => ({
  command: { type: 'LoseAttempts', boot },
  plan: null,
  origin,
  answerByMs: Infinity,
  done: (result) => {
    if (result.status === 'accepted' && result.changed) mailbox.queue.push(loseAttempts(mailbox, boot, origin));
  },
});

export const startReplyOf = (result: CommandResult): StartReply => {
  if (result.status === 'unavailable') return result;
  if (result.status === 'rejected') return { status: 'rejected', rejection: result.rejection };
  const { run, position } = result.loaded;
  const { started, startedAt } = run;
  return { status: result.changed ? 'started' : 'replayed', started, startedAt, position };
};

/** Whether work on the run is under way. Of a run that is only looked at or waited for it is not: nobody would wake it. */
export const hasWork = ({ state, queue, busy }: Mailbox): boolean =>
  queue.length > 0 || (state !== null && (busy || state.obligations.inFlight.size > 0));

const NAMED_MAX = 10;

/** Of which runs something is left to be recorded, and how much. */
export const leftIn = (mailboxes: readonly Mailbox[]): LogFields => {
  const left = mailboxes.filter(({ queue, deciding, busy }) => queue.length > 0 || deciding !== null || busy);
  return {
    runs: left.length,
    appends: left.filter(({ deciding }) => deciding !== null).length,
    commands: left.reduce((count, { queue }) => count + queue.length, 0),
    named: left.slice(0, NAMED_MAX).map(({ runId }) => runId),
  };
};
