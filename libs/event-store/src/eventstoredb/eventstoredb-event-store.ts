import type { Clock, Log } from '#runtime';
import type {
  Append,
  AppendOutcome,
  Commit,
  Envelope,
  NewEvent,
  Position,
  ReadAllOptions,
  RecordedEvent,
  Revision,
  StreamName,
  SubscribeOptions,
  SubscriptionMessage,
} from '../event-store.js';
import { EventStore, NO_STREAM } from '../event-store.js';
import { hostsOf } from './connection-string.js';
import { Connector } from './connector.js';
import { isDenied } from './grpc-errors.js';
import { refuseOldServer, ServerUnsuitable, warnOfDurability } from './server-checks.js';

export type EventStoreDbOptions = {
  /** Connection string: `esdb://…` or `esdb+discover://…`; `kurrentdb` serves in place of `esdb`. */
  readonly url: string;
  /** After this an append that is not answered is of unknown outcome. */
  readonly appendTimeoutMs?: number;
  /** So long a read is tried again while the server cannot be reached. */
  readonly readPatienceMs?: number;
  /** So long a start waits for the server. */
  readonly startTimeoutMs?: number;
};

/** The server did not answer within the time that a start waits. */
export class EventStoreUnreachable extends Error {
  readonly code = 'event-store-unreachable';
  readonly retryable = true;
}

const APPEND_TIMEOUT_MS = 5000;
const READ_PATIENCE_MS = 5000;
/** Who wants to wait longer starts it again. A server that has just started may deny even the right password for a moment. */
const START_TIMEOUT_MS = 5_000;
const START_PAUSE_MS = 250;
const VERSION_WITHIN_MS = 2000;

type Driver = typeof import('./driver.js');
type Parts = {
  readonly driver: Driver;
  readonly appender: InstanceType<Driver['Appender']>;
  readonly reader: InstanceType<Driver['LogReader']>;
  readonly writer: InstanceType<Driver['StreamWriter']>;
};

/**
 * The log in EventStoreDB or KurrentDB. An event is an event of the server, an append one call; revisions and positions are the
 * server's. Streams of others are left alone; what others put into a stream of ours is passed over.
 */
export class EventStoreDbEventStore extends EventStore {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #options: EventStoreDbOptions;
  #serverVersion: string | null = null;
  #parts: Parts | null = null;
  #connectors: readonly Connector[] = [];
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  /** Ends the subscriptions. */
  readonly #closing = new AbortController();
  #archiving = new Set<Promise<unknown>>();

  constructor(clock: Clock, log: Log, options: EventStoreDbOptions) {
    super();
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
  }

  start(): Promise<void> {
    return (this.#starting ??= this.#start().catch((error: unknown) => {
      // Asked again it tries again.
      this.#starting = null;
      throw error;
    }));
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (this.#stopping === null) this.#open().writer.write(append, settle);
    else queueMicrotask(() => settle(STOPPED));
  }

  async archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome> {
    if (this.#stopping !== null) return STOPPED;
    const append: Append = { stream, expected, events: [stub], envelope, audience: 'waiting' };
    const archiving = this.#archive(this.#open(), append);
    this.#archiving.add(archiving);
    try {
      return await archiving;
    } finally {
      this.#archiving.delete(archiving);
    }
  }

  async readStream(
    stream: StreamName,
    options?: { from?: Revision; limit?: number },
  ): Promise<readonly RecordedEvent[]> {
    return this.#open().reader.readStream(stream, options);
  }

  readPages(stream: StreamName, options: { from?: Revision } = {}): AsyncIterable<readonly RecordedEvent[]> {
    return this.#open().reader.readPages(stream, options);
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<readonly Commit[]> {
    return this.#open().reader.readAll(after, options);
  }

  subscribe(after: Position, { filter = {}, gatherMs, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    const { driver, reader } = this.#open();
    const both = AbortSignal.any([signal, this.#closing.signal]);
    return driver.follow(reader, after, { clock: this.#clock, log: this.#log, filter, gatherMs, signal: both });
  }

  async head(): Promise<Position> {
    return this.#open().reader.head();
  }

  async #start(): Promise<void> {
    const driver = await import('./driver.js');
    const { url, appendTimeoutMs = APPEND_TIMEOUT_MS, readPatienceMs = READ_PATIENCE_MS } = this.#options;
    const connect = (...parts: ConstructorParameters<Driver['Connection']>) => new driver.Connection(...parts);
    // Appends have a connection of their own: a long read does not stand before them.
    const [appends, reads] = [new Connector(connect, this.#log, url), new Connector(connect, this.#log, url)];
    this.#connectors = [appends, reads];
    const reader = new driver.LogReader(reads, this.#clock, this.#log, readPatienceMs);
    try {
      await this.#untilReady(reads, new driver.LogReader(reads, this.#clock, this.#log, VERSION_WITHIN_MS));
      await warnOfDurability(url, await reads.current.target(), this.#log);
    } catch (error) {
      await Promise.all(this.#connectors.map((connector) => connector.close()));
      throw error;
    }
    const appender = new driver.Appender(appends, this.#clock, appendTimeoutMs);
    this.#parts = { driver, appender, reader, writer: new driver.StreamWriter(appender, reader) };
  }

  /** Of the server that was found at the start; `null` before. */
  get serverVersion(): string | null {
    return this.#serverVersion;
  }

  async #untilReady(connector: Connector, reader: Parts['reader']): Promise<void> {
    const { url, startTimeoutMs = START_TIMEOUT_MS } = this.#options;
    const untilMs = this.#clock.monotonicMs() + startTimeoutMs;
    for (;;) {
      // Not caught: a connection string that is not understood stays so.
      const { current } = connector;
      try {
        const version = await current.version(this.#clock.nowMs() + VERSION_WITHIN_MS);
        refuseOldServer(version);
        this.#serverVersion = version;
        await reader.head();
        return;
      } catch (error) {
        if (error instanceof ServerUnsuitable) throw error;
        connector.renew(current);
        if (this.#clock.monotonicMs() + START_PAUSE_MS > untilMs) {
          const reason = error instanceof Error ? error.message : String(error);
          if (isDenied(error))
            throw new ServerUnsuitable(`EventStoreDB at ${hostsOf(url)} refuses STEPWELL_EVENTSTOREDB_URL: ${reason}`, {
              cause: error,
            });
          throw new EventStoreUnreachable(`cannot reach EventStoreDB at ${hostsOf(url)}: ${reason}`, { cause: error });
        }
        await new Promise<void>((resolve) => this.#clock.after(START_PAUSE_MS, resolve));
      }
    }
  }

  async #archive({ driver, appender, reader, writer }: Parts, append: Append): Promise<AppendOutcome> {
    const { stream, expected } = append;
    if (expected === NO_STREAM) return { status: 'conflict', actual: await reader.revision(stream) };
    const stub = await new Promise<AppendOutcome>((resolve) => writer.write(append, resolve));
    return stub.status === 'appended' ? driver.hideBefore(appender, reader, { stream, stub }) : stub;
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {
      // Whoever started it was told.
    });
    await Promise.allSettled(this.#archiving);
    await this.#parts?.appender.idle();
    await this.#parts?.writer.idle();
    this.#closing.abort();
    await Promise.all(this.#connectors.map((connector) => connector.close()));
    this.#parts = null;
  }

  #open(): Parts {
    if (this.#parts === null) throw new Error('the event store is not started, or stopped');
    return this.#parts;
  }
}

const STOPPED: AppendOutcome = { status: 'unknown', cause: new Error('the event store is stopped') };
