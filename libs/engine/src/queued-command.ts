import type { Plan, Rejection, RunCommand } from '#domain';
import type { Log } from '#runtime';
import { callBack } from './readers.js';
import type { LoadedRun, Origin, RunId, StartReply } from './runs.js';

/** What became of a command. `done` is called after the commit; never before it. */
export type CommandResult =
  | { readonly status: 'accepted'; readonly loaded: LoadedRun; readonly changed: boolean }
  | { readonly status: 'rejected'; readonly rejection: Rejection; readonly loaded: LoadedRun | null }
  | { readonly status: 'unavailable'; readonly cause: unknown };

/** A command that waits in the mailbox of its run. */
export type QueuedCommand = {
  readonly command: RunCommand;
  /** Of a start: the plan that the run would have. */
  readonly plan: Plan | null;
  readonly origin: Origin;
  /** `null`: nobody is answered, or not any more. */
  done: ((result: CommandResult) => void) | null;
  /** Who asks is answered by then, whatever the log does; by the monotonic clock. */
  readonly answerByMs: number;
};

/** Tells senders of commands that nothing can be said of them. */
export const refuseAll = (log: Log, runId: RunId, senders: readonly QueuedCommand[], cause: unknown): void => {
  for (const { done } of senders) callBack(log, runId, done, { status: 'unavailable', cause });
};

/** What the sender of a command is answered once it is committed. */
export const resultOf = (loaded: LoadedRun | null, rejection: Rejection | null, changed: boolean): CommandResult => {
  if (rejection !== null) return { status: 'rejected', rejection, loaded };
  if (loaded === null) return { status: 'rejected', rejection: { code: 'run-not-found' }, loaded };
  return { status: 'accepted', loaded, changed };
};

/** What the sender of a start is answered. */
export const startReplyOf = (result: CommandResult): StartReply => {
  if (result.status === 'unavailable') return result;
  if (result.status === 'rejected') return { status: 'rejected', rejection: result.rejection };
  const { run, position } = result.loaded;
  const { started, startedAt } = run;
  return { status: result.changed ? 'started' : 'replayed', started, startedAt, position };
};
