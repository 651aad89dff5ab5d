import { AppendRefused, type Append, type AppendOutcome, type EventStore } from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import type { EngineCounts } from './engine-counts.js';
import { LogTrouble } from './log-trouble.js';

/** The pauses before an append of unknown outcome is repeated grow from the one to the other. */
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 5_000;
/** Each answer of a store that is up again lets so many follow: it is not met by all that has waited at once. */
const FOLLOW = 2;

/** An append on its way to a known outcome. */
export type Sending = {
  readonly append: Append;
  /** How often it was handed to the store: at 0 it cannot be in the log. */
  sent: number;
  /** How often the store left its outcome unknown. */
  unknown: number;
};

export interface Senders<Sent extends Sending> {
  /** Asked before each time that it is sent. */
  isWanted(sending: Sent): boolean;
  /** Called once. An unknown outcome: it is not asked for again, `cause` says why. */
  settled(sending: Sent, outcome: AppendOutcome): void;
}

/** Why an append was not sent, or not again: nobody wants it any more. */
export class NotWanted extends Error {
  readonly code = 'append-not-wanted';
  readonly retryable = true;
}

/**
 * Repeats appends until their outcome is known, and spares a store that is down: when two of them in a row were left without
 * an outcome it is, and then one at a time is sent, after growing pauses, while all others wait. A single append that the
 * store does not answer is repeated by itself, and holds up nobody.
 */
export class LogAppends<Sent extends Sending> {
  private waiting: Sent[] = [];
  /** Those that are repeated each by itself, and how to take the repeat back. */
  private readonly alone = new Map<Sent, () => void>();
  /** Of unknown outcome, and since then the store gave no other. */
  private suspect: Sent | null = null;
  private isDown = false;
  private probe: Sent | null = null;
  private probed = 0;
  private cancelProbe: (() => void) | null = null;
  private stopping = false;
  readonly trouble: LogTrouble;

  constructor(
    private readonly store: Pick<EventStore, 'append'>,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    log: Log,
    private readonly counts: EngineCounts,
    private readonly senders: Senders<Sent>,
  ) {
    counts.appendsHeld = () => this.held;
    this.trouble = new LogTrouble(clock, log, counts.appendsHeld);
  }

  append(sending: Sent): void {
    if (this.waiting.length === 0 && !this.isDown) return void this.send(sending);
    this.waiting.push(sending);
    this.awaitProbe();
  }

  private get held(): number {
    return this.waiting.length + this.alone.size;
  }

  /** Lets go of what nobody wants any more. */
  sift(): void {
    const kept: Sent[] = [];
    const unwanted: Sent[] = [];
    // Each is asked once: by the next look at the clock another may not be wanted any more, and would be in neither list.
    for (const sending of this.waiting) (this.senders.isWanted(sending) ? kept : unwanted).push(sending);
    this.waiting = kept;
    for (const sending of unwanted) this.senders.settled(sending, NOT_WANTED);
  }

  /** What waits is sent once more, at once; no append is repeated after that. */
  stop(): void {
    this.stopping = true;
    this.cancelProbe?.();
    this.cancelProbe = null;
    for (const [sending, cancel] of this.alone) {
      cancel();
      this.waiting.push(sending);
    }
    this.alone.clear();
    this.isDown = false;
    while (this.waiting.length > 0) this.sendNext();
  }

  /** False when the store did not even take it. */
  private send(sending: Sent): boolean {
    sending.sent += 1;
    const sinceMs = this.clock.monotonicMs();
    try {
      this.store.append(sending.append, (outcome) => {
        // The metric counts appends: a repetition that brings nothing new is none.
        if (outcome.status !== 'unknown' || sending.unknown === 0)
          this.counts.appended(outcome.status, this.clock.monotonicMs() - sinceMs);
        this.outcomeOf(sending, outcome);
      });
      return true;
    } catch (cause) {
      // What no append can hold will not fit by trying again.
      this.senders.settled(sending, { status: 'unknown', cause });
      return false;
    }
  }

  /** Of those that wait the first that somebody wants, as it is on its way now. */
  private sendNext(): Sent | null {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      if (!this.senders.isWanted(next)) this.senders.settled(next, NOT_WANTED);
      else if (this.send(next)) return next;
    }
    return null;
  }

  private outcomeOf(sending: Sent, outcome: AppendOutcome): void {
    if (sending === this.probe) this.probe = null;
    if (outcome.status === 'unknown') this.leftUnknown(sending, outcome);
    else {
      this.goOn();
      this.senders.settled(sending, outcome);
    }
    // Whatever became of this one, a probe perhaps: others may wait.
    this.awaitProbe();
  }

  private leftUnknown(sending: Sent, outcome: Extract<AppendOutcome, { status: 'unknown' }>): void {
    // What the store will never take is not asked for again.
    if (outcome.cause instanceof AppendRefused) return this.senders.settled(sending, outcome);
    this.trouble.unknown(sending.unknown === 0, outcome.cause);
    sending.unknown += 1;
    if (this.stopping || !this.senders.isWanted(sending)) return this.senders.settled(sending, outcome);
    this.isDown ||= this.suspect !== null && this.suspect !== sending;
    this.suspect = sending;
    if (this.isDown) this.waiting.push(sending);
    else this.repeatAlone(sending);
  }

  /** The store has given an outcome: it is up. */
  private goOn(): void {
    this.suspect = null;
    if (!this.isDown && this.waiting.length === 0) return;
    this.isDown = false;
    this.probed = 0;
    this.cancelProbe?.();
    this.cancelProbe = null;
    for (let follow = 0; follow < FOLLOW; follow++) this.sendNext();
  }

  private repeatAlone(sending: Sent): void {
    const cancel = this.clock.after(this.pauseMs(sending.unknown - 1), () => {
      this.alone.delete(sending);
      if (this.senders.isWanted(sending)) this.append(sending);
      else this.senders.settled(sending, NOT_WANTED);
    });
    this.alone.set(sending, cancel);
  }

  /** While anything waits, one is sent after a pause: each time another, so that one that never gets an answer keeps no other waiting. */
  private awaitProbe(): void {
    if (this.stopping || this.waiting.length === 0 || this.cancelProbe !== null || this.probe !== null) return;
    this.cancelProbe = this.clock.after(this.pauseMs(this.probed++), () => {
      this.cancelProbe = null;
      this.probe = this.sendNext();
      if (this.probe === null) this.probed = 0;
    });
  }

  /** Between half and all of what the pauses have grown to: processes that lost the store together come back apart. */
  private pauseMs(before: number): number {
    const longestMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(before + 1, 10));
    return (longestMs / 2) * (1 + this.entropy.jitter());
  }
}

const NOT_WANTED: AppendOutcome = { status: 'unknown', cause: new NotWanted('nobody waits for this append any more') };

/** Whether that was said already, in one line for all: neither the append nor its run is at fault. */
export const wasLeftUnknown = ({ unknown }: Sending, cause: unknown): boolean =>
  cause instanceof NotWanted || (unknown > 0 && !(cause instanceof AppendRefused));
