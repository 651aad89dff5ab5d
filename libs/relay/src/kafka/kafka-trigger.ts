import type { Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { aborted, failpoint, pause, type Clock, type Entropy, type Log } from '#runtime';
import { BackOff } from '../back-off.js';
import type { Publisher } from '../publisher.js';
import type { StartRuns } from '../start-runs.js';
import type { TriggerMessage } from '../trigger-message.js';
import { TriggeredStarts, type TriggerCounts, type TriggeredStartsSettings } from '../triggered-starts.js';
import { KAFKA_TIMEOUTS, kafkaClient, type KafkaConnection, type KafkaTimeouts } from './kafka-client.js';

export type KafkaTriggerSettings = TriggeredStartsSettings & {
  readonly topic: string;
  readonly groupId: string;
  readonly timeouts?: KafkaTimeouts;
  readonly sessionMs?: number;
};

export type KafkaTriggerState = TriggerCounts & {
  /** `retrying`: the broker or the log does not answer, and `error` says what was heard. */
  readonly status: 'stopped' | 'starting' | 'following' | 'retrying';
  readonly error: string | null;
};

/** Of the partitions that are this consumer's, as far as it has heard of them. */
export type KafkaTriggerLag = {
  readonly messages: number;
  /** Age of the oldest message that has not been handled. */
  readonly seconds: number;
};

const SESSION_MS = 30_000;
/** So many in the time after which the broker takes a member for dead. */
const HEARTBEATS_A_SESSION = 6;
const FETCH_WAIT_MS = 500;
/** Partitions handled beside each other, so that one that waits does not hold up the others. */
const PARTITIONS_MAX = 4;
const STOP_MS = 3_000;
const BACK_OFF_MS_MIN = 100;
const BACK_OFF_MS_MAX = 5_000;

const afterStart = failpoint(
  'relay.trigger.after-start',
  'After the runs of messages were started, before their place in the topic is committed.',
);

/**
 * Starts a run for each message of a topic. A place in the topic is committed after what came before it was appended to
 * the log, or put into the dead-letter topic; so each message is handled at least once, and its key makes it one run.
 */
export class KafkaTrigger {
  readonly #connection: KafkaConnection;
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #log: Log;
  readonly #settings: Required<KafkaTriggerSettings>;
  readonly #starts: TriggeredStarts;
  #stopping: AbortController | null = null;
  #done: Promise<void> = Promise.resolve();
  /** By partition: how many messages follow what was handled, and when the oldest of them was sent. */
  readonly #behind = new Map<number, { readonly messages: number; readonly sentMs: number }>();
  #status: KafkaTriggerState['status'] = 'stopped';
  #error: string | null = null;

  constructor(
    connection: KafkaConnection,
    runs: StartRuns,
    publisher: Publisher,
    clock: Clock,
    entropy: Entropy,
    log: Log,
    settings: KafkaTriggerSettings,
  ) {
    this.#connection = connection;
    this.#publisher = publisher;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#log = log;
    this.#settings = { timeouts: KAFKA_TIMEOUTS, sessionMs: SESSION_MS, ...settings };
    this.#starts = new TriggeredStarts(runs, publisher, clock, log, settings, (failure) =>
      failure === null ? this.#recovered() : this.#failed(failure),
    );
  }

  /** Begins to consume, in the background: a broker that does not answer yet shows in `state`. */
  start(): void {
    if (this.#stopping !== null) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    this.#done = this.#done.then(() => this.#run(stopping.signal));
  }

  /** Lets starts that are under way finish for a while and leaves the group. What is not committed comes again. */
  stop(): Promise<void> {
    this.#stopping?.abort();
    this.#stopping = null;
    return this.#done;
  }

  get state(): KafkaTriggerState {
    return { status: this.#status, error: this.#error, ...this.#starts.counts };
  }

  get lag(): KafkaTriggerLag {
    const behind = [...this.#behind.values()].filter(({ messages }) => messages > 0);
    const messages = behind.reduce((sum, each) => sum + each.messages, 0);
    const sentMs = Math.min(...behind.map((each) => each.sentMs));
    return { messages, seconds: messages === 0 ? 0 : Math.max(0, this.#clock.nowMs() - sentMs) / 1_000 };
  }

  async #run(stopping: AbortSignal): Promise<void> {
    const backOff = this.#backOff();
    this.#status = 'starting';
    while (!stopping.aborted) {
      const failure = await this.#consume(stopping, backOff);
      if (stopping.aborted) break;
      this.#failed(failure);
      await pause(this.#clock, backOff.next(), stopping);
    }
    await this.#publisher.stop();
    this.#status = 'stopped';
    this.#error = null;
  }

  /** One consumer from its first connection to its end; gives what ended it. */
  async #consume(stopping: AbortSignal, backOff: BackOff): Promise<unknown> {
    const { timeouts, sessionMs, groupId, topic } = this.#settings;
    // The driver needs retries of its own to join a group. Past them it crashes, and we begin anew with another consumer.
    const retry = { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false };
    const { kafka, destroy } = kafkaClient(this.#connection, timeouts, retry);
    const times = {
      sessionTimeout: sessionMs,
      heartbeatInterval: heartbeatMs(sessionMs),
      maxWaitTimeInMs: FETCH_WAIT_MS,
    };
    const consumer = kafka.consumer({ groupId, retry, ...times });
    const crashed = new Promise<unknown>((resolve) =>
      consumer.on('consumer.crash', ({ payload }) => resolve(payload.error)),
    );
    const joined = () => {
      // Partitions may be another's now; those that are ours tell of themselves anew.
      this.#behind.clear();
      backOff.reset();
      this.#recovered();
    };
    consumer.on('consumer.group_join', joined);
    const ending = (async () => {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_MAX,
        eachBatch: (batch) => this.#handle(batch, stopping),
      });
      return crashed;
    })().catch((error: unknown) => error);
    const failure = await Promise.race([ending, aborted(stopping)]);
    await this.#close(consumer, destroy);
    return failure;
  }

  async #handle(batch: EachBatchPayload, stopping: AbortSignal): Promise<void> {
    const { topic, partition, messages } = batch.batch;
    const given = messages.map((message) => toMessage(topic, partition, message));
    this.#note(batch, 0);
    let handled = 0;
    for (const group of this.#starts.groups(given)) {
      if (stopping.aborted || !batch.isRunning() || batch.isStale()) return;
      if (!(await this.#handleAlive(group, batch, stopping))) return;
      afterStart();
      this.#note(batch, (handled += group.length));
      const { offset: last } = group.at(-1)!;
      batch.resolveOffset(last);
      const next = String(BigInt(last) + 1n);
      await batch.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: next }] }] });
    }
  }

  /** So many messages of the batch are handled. Of those after the batch the number is known, and that they are younger. */
  #note({ batch: { partition, messages, highWatermark } }: EachBatchPayload, handled: number): void {
    const next = messages[handled];
    const last = messages.at(-1)!;
    const from = next === undefined ? BigInt(last.offset) + 1n : BigInt(next.offset);
    const sentMs = Number((next ?? last).timestamp);
    this.#behind.set(partition, { messages: Math.max(0, Number(BigInt(highWatermark) - from)), sentMs });
  }

  /** Tells the broker meanwhile that we live. It may answer that the partitions are shared anew: then we try no more. */
  async #handleAlive(
    group: readonly TriggerMessage[],
    batch: EachBatchPayload,
    stopping: AbortSignal,
  ): Promise<boolean> {
    const lost = new AbortController();
    const given = new AbortController();
    const handled = this.#starts
      .handle(group, this.#backOff(), AbortSignal.any([stopping, lost.signal]))
      .finally(() => given.abort());
    try {
      while (!given.signal.aborted) {
        await batch.heartbeat();
        await pause(this.#clock, heartbeatMs(this.#settings.sessionMs), given.signal);
      }
    } catch (error) {
      lost.abort();
      await handled;
      throw error;
    }
    return handled;
  }

  async #close(consumer: Consumer, destroy: () => void): Promise<void> {
    const left = new AbortController();
    // The group hears of it when it can; who cannot be told finds out by the silence.
    const leaving = consumer.disconnect().catch(() => {});
    void leaving.then(() => left.abort());
    await pause(this.#clock, STOP_MS, left.signal);
    destroy();
    if (!left.signal.aborted) await this.#publisher.stop();
    await leaving;
  }

  #backOff(): BackOff {
    return new BackOff(BACK_OFF_MS_MIN, BACK_OFF_MS_MAX, () => this.#entropy.jitter());
  }

  #failed(error: unknown): void {
    this.#error = error instanceof Error ? error.message : String(error);
    if (this.#status === 'retrying') return;
    this.#status = 'retrying';
    this.#log.warn('messages start no runs now; they wait in their topic', { err: error, topic: this.#settings.topic });
  }

  #recovered(): void {
    this.#error = null;
    if (this.#status === 'retrying') this.#log.info('messages start runs again', { topic: this.#settings.topic });
    this.#status = 'following';
  }
}

const heartbeatMs = (sessionMs: number): number => Math.floor(sessionMs / HEARTBEATS_A_SESSION);

const toMessage = (topic: string, partition: number, message: KafkaMessage): TriggerMessage => {
  const { key, value, headers = {}, offset: place } = message;
  // The driver's types allow members that are not given; it gives none of them.
  return { topic, partition, offset: place, key, value, headers: headers as TriggerMessage['headers'] };
};
