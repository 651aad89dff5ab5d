import type { Clock, Log } from '#runtime';
import type { Deciding } from './engine-parts.js';
import type { Mailbox } from './mailbox.js';
import { callBack, type Reader } from './readers.js';

/** Who asks something of a run is told after so long that the log does not answer. What was asked for goes on behind it. */
export const ANSWER_WITHIN_MS = 5_000;
/** A stop waits so long for what is on its way into the log. */
export const STOP_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 250;

/** The log has not answered in time. */
export class LogSilent extends Error {
  readonly code = 'log-silent';
  readonly retryable = true;
}

/** Looks four times a second, while anything is asked, whom the log keeps waiting for too long. */
export class Patience {
  private cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly mailboxes: { values(): readonly Mailbox[] },
    /** Somebody was told. */
    private readonly onLate: () => void,
  ) {}

  /** Until when whoever asks now is answered. */
  begin(withinMs: number): number {
    this.cancel ??= this.clock.after(LOOK_EVERY_MS, () => this.look());
    return this.clock.monotonicMs() + withinMs;
  }

  stop(): void {
    this.cancel?.();
  }

  private look(): void {
    this.cancel = null;
    const nowMs = this.clock.monotonicMs();
    let [waiting, late] = [false, false];
    for (const mailbox of this.mailboxes.values()) {
      if (!isAsked(mailbox)) continue;
      waiting = true;
      late = tellLate(this.log, mailbox, nowMs) || late;
    }
    if (late) this.onLate();
    if (waiting) this.cancel ??= this.clock.after(LOOK_EVERY_MS, () => this.look());
  }
}

const isAsked = ({ queue, deciding, asked, answering }: Mailbox): boolean =>
  queue.length > 0 || deciding !== null || asked !== null || answering !== null;

/** True when somebody was told. */
const tellLate = (log: Log, mailbox: Mailbox, nowMs: number): boolean => {
  const late = ({ answerByMs }: { readonly answerByMs: number }): boolean => answerByMs <= nowMs;
  const inTime = (each: { readonly answerByMs: number }): boolean => !late(each);
  const { queue, deciding, asked, answering } = mailbox;
  const decided = deciding === null ? [] : deciding.batch.answers.map(({ queued }) => queued);
  const senders = [...queue, ...decided].filter((queued) => late(queued) && queued.done !== null);
  const readers = [...(asked ?? []), ...(answering ?? [])].filter(late);
  if (senders.length + readers.length === 0) return false;
  mailbox.queue = queue.filter(inTime);
  mailbox.asked = someOf(asked?.filter(inTime));
  mailbox.answering = someOf(answering?.filter(inTime));
  const cause = new LogSilent('the log has not answered in time');
  for (const { call } of readers) call(cause);
  for (const queued of senders) {
    const { done } = queued;
    queued.done = null;
    callBack(log, mailbox.runId, done, { status: 'unavailable', cause });
  }
  return true;
};

const someOf = (readers: Reader[] = []): Reader[] | null => (readers.length > 0 ? readers : null);

/** Whether the decision still is to be sent: what cannot be in the log, and whose askers were all told that it is not, is not. */
export const isWanted = ({ mailbox, batch, sent }: Deciding, nowMs: number): boolean => {
  if (mailbox.phase === 'closed') return false;
  return sent > 0 || batch.answers.length === 0 || batch.answers.some(({ queued }) => queued.answerByMs > nowMs);
};
