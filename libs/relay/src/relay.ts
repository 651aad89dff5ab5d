import { recordedAtOf, unpack, type Commit, type EventStore, type Position, type RecordedEvent } from '#event-store';
import { pause, type Clock, type Entropy, type Log } from '#runtime';
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BatchSender } from './batch-sender.js';
import { chosenTypes, type ChosenEvents } from './chosen-events.js';
import { CommitQueue } from './commit-queue.js';
import { BackOff } from './back-off.js';
import type { Publisher } from './publisher.js';
import type { RelayCheckpoint } from './relay-checkpoint.js';

/** So much is read ahead of what is acknowledged; then the log waits, on disk, where it is. */
export const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
export const CHECKPOINT_MS = 500;
/** One that was fenced and is not stopped within this time is the right one after all, and takes the checkpoint again. */
export const FENCED_MS = 5_000;
/** How long a stop waits for what was read to be acknowledged. What is not is sent after the next start. */
export const STOP_MS = 3_000;
const BACK_OFF_MS_MIN = 100;
const BACK_OFF_MS_MAX = 5_000;

export type RelaySettings = {
  readonly topic: string;
  readonly events: ChosenEvents;
  readonly batchBytesMax?: number;
  readonly batchEventsMax?: number;
  readonly checkpointMs?: number;
  readonly fencedMs?: number;
};

/** What is in the log but not acknowledged by the broker, as far as it was read; `seconds` is the age of the oldest of it. */
export type RelayLag = {
  readonly events: number;
  readonly seconds: number;
  /** False while there is more in the log than was read: `events` is then larger in truth, `seconds` is not. */
  readonly caughtUp: boolean;
};

export type RelayState = {
  /** `retrying`: the broker, the log or the store of the checkpoint does not answer, and `error` says what was heard. */
  readonly status: 'stopped' | 'starting' | 'following' | 'retrying' | 'fenced';
  readonly error: string | null;
  /** Acknowledged up to here. */
  readonly checkpoint: Position | null;
  readonly published: number;
  /** Events that the broker found too large, and that went without their data. */
  readonly truncated: number;
  /** Appends that could not be read as events, and were left out. */
  readonly parked: number;
};

/** The log ends before the checkpoint: it is another log, or an older copy. Nothing is published, lest events be left out. */
export class CheckpointAheadOfLog extends Error {
  readonly code = 'checkpoint-ahead-of-log';
  readonly retryable = false;

  constructor(
    readonly checkpoint: Position,
    readonly head: Position,
  ) {
    super(`the relay has published up to position ${checkpoint}, but the log ends at ${head}`);
  }
}

class Fenced extends Error {}

/**
 * Follows the log and publishes the events of runs: each at least once, those of a run in order, from its own checkpoint,
 * which is never ahead of what the broker has acknowledged. Only reads the log: a broker that is down delays nothing else.
 */
export class Relay {
  readonly #log: EventStore;
  readonly #publisher: Publisher;
  readonly #checkpoint: RelayCheckpoint;
  readonly #clock: Clock;
  readonly #said: Log;
  readonly #settings: Required<RelaySettings>;
  readonly #chosen: (type: string) => boolean;
  readonly #backOff: BackOff;
  readonly #sender: BatchSender;
  #stopping: AbortController | null = null;
  /** The end of all that was started so far: a start waits for the stop before it. */
  #done: Promise<void> = Promise.resolve();
  #queue = new CommitQueue(QUEUE_BYTES_MAX);
  #inHand: readonly Commit[] = [];
  #caughtUp = false;
  #status: RelayState['status'] = 'stopped';
  #error: string | null = null;
  #acknowledged: Position | null = null;
  #parked = 0;

  constructor(
    log: EventStore,
    publisher: Publisher,
    checkpoint: RelayCheckpoint,
    clock: Clock,
    entropy: Entropy,
    said: Log,
    settings: RelaySettings,
  ) {
    this.#log = log;
    this.#publisher = publisher;
    this.#checkpoint = checkpoint;
    this.#clock = clock;
    this.#said = said;
    this.#settings = {
      batchBytesMax: BATCH_BYTES_MAX,
      batchEventsMax: BATCH_EVENTS_MAX,
      checkpointMs: CHECKPOINT_MS,
      fencedMs: FENCED_MS,
      ...settings,
    };
    this.#chosen = chosenTypes(settings.events);
    this.#backOff = new BackOff(BACK_OFF_MS_MIN, BACK_OFF_MS_MAX, () => entropy.jitter());
    this.#sender = new BatchSender(
      publisher,
      clock,
      new BackOff(BACK_OFF_MS_MIN, BACK_OFF_MS_MAX, () => entropy.jitter()),
      {
        ...this.#settings,
        onAttempt: (failure) => (failure === null ? this.#recovered() : this.#failed(failure)),
      },
    );
  }

  /** Begins to follow, in the background: what does not answer yet shows in `state`. For the one that is to be active. */
  start(): void {
    if (this.#stopping !== null) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    this.#done = this.#done.then(() => this.#run(stopping.signal));
  }

  /** Sends what was read, stores the checkpoint and ends; a broker that does not answer is not waited for. */
  stop(): Promise<void> {
    if (this.#stopping !== null) {
      this.#stopping.abort();
      this.#stopping = null;
      this.#done = this.#close(this.#done);
    }
    return this.#done;
  }

  get state(): RelayState {
    return {
      status: this.#status,
      error: this.#error,
      checkpoint: this.#acknowledged,
      ...this.#sender.counts,
      parked: this.#parked,
    };
  }

  /** False while it stands by, was fenced, or is stopped: another one publishes, or none does. */
  get leads(): boolean {
    return this.#status !== 'stopped' && this.#status !== 'fenced';
  }

  get lag(): RelayLag {
    const oldest = this.#inHand[0] ?? this.#queue.oldest;
    const events = this.#inHand.reduce((sum, { count }) => sum + count, this.#queue.events);
    return { events, seconds: oldest === null ? 0 : this.#ageSeconds(oldest), caughtUp: this.#caughtUp };
  }

  async #close(ended: Promise<void>): Promise<void> {
    // Ends the attempt under way, and with it the sending.
    const takeBack = this.#clock.after(STOP_MS, () => void this.#publisher.stop());
    await ended;
    takeBack();
    await this.#publisher.stop();
    await this.#checkpoint.stop();
    this.#status = 'stopped';
  }

  async #run(stopping: AbortSignal): Promise<void> {
    this.#status = 'starting';
    this.#error = null;
    while (!stopping.aborted) {
      try {
        await this.#checkpoint.start();
        const { epoch, position } = await this.#checkpoint.take();
        await this.#follow(epoch, position, stopping);
      } catch (error) {
        await this.#endured(error, stopping);
      } finally {
        this.#inHand = [];
        this.#queue = new CommitQueue(QUEUE_BYTES_MAX);
        this.#caughtUp = false;
      }
    }
  }

  async #endured(error: unknown, stopping: AbortSignal): Promise<void> {
    if (error instanceof Fenced) {
      this.#status = 'fenced';
      this.#error = 'another relay has taken the checkpoint';
      this.#said.warn('another relay has taken the checkpoint; this one publishes nothing', {
        topic: this.#settings.topic,
      });
      return pause(this.#clock, this.#settings.fencedMs, stopping);
    }
    this.#failed(error);
    await pause(this.#clock, this.#backOff.next(), stopping);
  }

  /** From the checkpoint until stopped, fenced, or until the log fails. */
  async #follow(epoch: number, from: Position, stopping: AbortSignal): Promise<void> {
    const head = await this.#log.head();
    if (head < from) throw new CheckpointAheadOfLog(from, head);
    this.#acknowledged = from;
    const failed = new AbortController();
    const sent = new AbortController();
    const ending = AbortSignal.any([stopping, failed.signal]);
    const parts = [
      this.#read(from, ending),
      this.#send(ending, failed.signal).finally(() => sent.abort()),
      this.#keepCheckpoint(epoch, from, sent.signal),
    ];
    const fail = (error: unknown): never => {
      failed.abort();
      throw error;
    };
    const ended = await Promise.allSettled(parts.map((part) => part.catch(fail)));
    for (const part of ended) if (part.status === 'rejected') throw part.reason;
  }

  async #read(from: Position, ending: AbortSignal): Promise<void> {
    const filter = { prefixes: ['run-'] };
    for await (const message of this.#log.subscribe(from, { filter, signal: ending })) {
      if (message.type === 'caught-up') {
        this.#caughtUp = true;
        if (this.#inHand.length === 0 && this.#queue.events === 0) this.#recovered();
        continue;
      }
      const level = this.#caughtUp;
      this.#caughtUp = false;
      await this.#queue.put(message.commits, ending);
      this.#caughtUp = level;
      if (ending.aborted) return;
    }
    if (!ending.aborted) throw new Error('the subscription to the log ended by itself');
  }

  /** What was read is still sent when the relay is to stop, and is not when it has failed. */
  async #send(ending: AbortSignal, failed: AbortSignal): Promise<void> {
    while (!failed.aborted) {
      const commits = await this.#queue.take(this.#settings.batchBytesMax, ending);
      const last = commits.at(-1);
      if (last === undefined) return;
      this.#inHand = commits;
      const events = commits.flatMap((commit) => this.#eventsOf(commit));
      if (!(await this.#sender.send(events, ending))) return;
      this.#inHand = [];
      this.#acknowledged = last.position;
    }
  }

  /** A loop of its own, so that a store which is slow holds up no event; its last turn comes when the last batch has gone. */
  async #keepCheckpoint(epoch: number, from: Position, sent: AbortSignal): Promise<void> {
    let stored = from;
    for (let ended = false; !ended;) {
      await pause(this.#clock, this.#settings.checkpointMs, sent);
      ended = sent.aborted;
      const position = this.#acknowledged ?? from;
      if (position === stored) continue;
      if ((await this.#checkpoint.store(epoch, position)) === 'fenced') throw new Fenced();
      stored = position;
      this.#backOff.reset();
    }
  }

  #eventsOf(commit: Commit): readonly RecordedEvent[] {
    try {
      const chosen = unpack(commit).filter(({ type }) => this.#chosen(type));
      // It goes out as the text that it is: what is no JSON would stop whoever reads the topic.
      for (const { data } of chosen) JSON.parse(data);
      return chosen;
    } catch (err) {
      this.#parked++;
      const { stream, position } = commit;
      this.#said.error('an append cannot be read, and is not published', { err, stream, position: String(position) });
      return [];
    }
  }

  #failed(error: unknown): void {
    this.#error = error instanceof Error ? error.message : String(error);
    if (this.#status === 'retrying') return;
    this.#status = 'retrying';
    this.#said.warn('events cannot be published now; they wait in the log', {
      err: error,
      topic: this.#settings.topic,
    });
  }

  #recovered(): void {
    this.#error = null;
    if (this.#status === 'following') return;
    if (this.#status === 'retrying') this.#said.info('events are published again', { topic: this.#settings.topic });
    this.#status = 'following';
  }

  #ageSeconds(commit: Commit): number {
    try {
      return Math.max(0, this.#clock.nowMs() - Date.parse(recordedAtOf(commit))) / 1_000;
    } catch {
      // One that cannot be read is parked in its turn.
      return 0;
    }
  }
}
