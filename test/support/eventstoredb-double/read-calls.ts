import { randomUUID } from 'node:crypto';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { EventLog } from './event-log.js';
import { linkStream, type ReadStream } from './link-streams.js';
import type { Faults } from './faults.js';

export type ReadCallOptions = {
  /** False for a server of before 23.10, which does not say that a subscription has caught up. */
  readonly saysCaughtUp: boolean;
  /**
   * A subscription that is live is ended when so many events wait for its reader, as servers of before 24.2 do; `null` for
   * the others, which go back to reading.
   */
  readonly liveEventsMax: number | null;
};

type Call = ServerWritableStream<ReadReq, ReadResp | Uint8Array>;

/** The server's default window, when a filter names none. */
const WINDOW_EVENTS = 32;

const TOO_SLOW = 'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.';
const COUNTED_MAX = 1000;

type Following = {
  readonly deliver: () => Promise<void>;
  /** How many events would be delivered now. */
  readonly waiting: () => number;
};

const anError = (code: status, details: string, trailers: Readonly<Record<string, string>> = {}) => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(details), { code, details, metadata });
};

/** Reads and subscriptions, of one stream and of the whole log. */
export class Reading {
  constructor(
    readonly log: () => EventLog,
    readonly faults: Faults,
    readonly options: ReadCallOptions,
  ) {}

  async read(call: Call): Promise<void> {
    try {
      await this.faults.thawed();
      if (!this.faults.ready) throw anError(status.UNAVAILABLE, 'Server Is Not Ready');
      if (this.faults.denied) throw anError(status.UNAUTHENTICATED, 'Access Denied');
      const options = call.request.getOptions()!;
      const out = new Outgoing(call, this.faults);
      if (options.hasSubscription()) await out.write(confirmation());
      if (options.hasStream()) await this.#readStream(options, out);
      else await this.#readAll(options, out);
      call.end();
    } catch (error) {
      // What is thrown here is an error of gRPC, or a bug that the client shall hear of.
      if (!call.cancelled) call.emit('error', error);
    }
  }

  async #readStream(options: ReadReq.Options, out: Outgoing): Promise<void> {
    const request = options.getStream()!;
    const name = Buffer.from(request.getStreamIdentifier()!.getStreamName_asU8()).toString();
    const log = this.log();
    const from = request.hasRevision() ? Number(request.getRevision()) : null;
    if (options.hasSubscription()) {
      let next = request.hasEnd() ? (viewOf(log, name)?.last ?? -1) + 1 : from === null ? 0 : from + 1;
      const deliver = async (): Promise<void> => {
        for (let view = viewOf(log, name); view !== null && next <= view.last; view = viewOf(log, name)) {
          next = Math.max(next, view.first);
          await out.write(log.messageAt(view.indexOf(next++)));
        }
      };
      return this.#follow(log, out, { deliver, waiting: () => (viewOf(log, name)?.last ?? -1) + 1 - next });
    }
    const view = linkStream(log, name, options.getResolveLinks()) ?? storedStream(log, name);
    if (view === null || view.last < 0) return out.write(notFound(name));
    const backwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
    const step = backwards ? -1 : 1;
    let revision = backwards ? Math.min(from ?? view.last, view.last) : Math.max(from ?? view.first, view.first);
    for (let left = Number(options.getCount()); left > 0 && revision >= view.first && revision <= view.last; left--) {
      await out.write(view.messageAt(revision));
      revision += step;
    }
  }

  async #readAll(options: ReadReq.Options, out: Outgoing): Promise<void> {
    const log = this.log();
    const all = options.getAll()!;
    const lets = filterOf(options, log);
    const position = all.hasPosition() ? Number(all.getPosition()!.getCommitPosition()) : null;
    if (options.hasSubscription()) {
      let next = all.hasEnd() ? log.size : position === null ? 0 : log.indexAt(position + 1);
      const spacing = checkpointSpacing(options);
      let scanned = 0;
      const deliver = async (): Promise<void> => {
        for (; next < log.size; next++) {
          if (lets(next)) await out.write(log.messageAt(next));
          if (spacing !== null && ++scanned % spacing === 0) await out.write(checkpoint(log.positionAt(next)));
          // A filter may let nothing through for long: the server is not to stand still meanwhile.
          if (scanned % 4096 === 0) await new Promise((resolve) => setImmediate(resolve));
          if (out.closed) return;
        }
      };
      const waiting = (): number => {
        let count = 0;
        for (let index = next; index < log.size && count <= COUNTED_MAX; index++) if (lets(index)) count++;
        return count;
      };
      return this.#follow(log, out, { deliver, waiting });
    }
    let left = Number(options.getCount());
    if (options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS) {
      const start = position === null ? log.size : log.indexAt(position);
      for (let index = start - 1; index >= 0 && left > 0; index--) {
        if (!lets(index)) continue;
        await out.write(log.messageAt(index));
        left--;
      }
      return;
    }
    for (let index = position === null ? 0 : log.indexAt(position); index < log.size && left > 0; index++) {
      if (!lets(index)) continue;
      await out.write(log.messageAt(index));
      left--;
    }
  }

  /** What is there, `caughtUp`, then what comes. */
  async #follow(log: EventLog, out: Outgoing, { deliver, waiting }: Following): Promise<void> {
    const { liveEventsMax } = this.options;
    let wake = (): void => {};
    const stop = log.onMore(() => wake());
    out.onClose(() => wake());
    try {
      for (let live = false; !out.closed; live = true) {
        const more = new Promise<void>((resolve) => (wake = resolve));
        if (live && liveEventsMax !== null && waiting() > liveEventsMax) throw anError(status.ABORTED, TOO_SLOW);
        await deliver();
        if (!live && this.options.saysCaughtUp) await out.write(caughtUp());
        if (!out.closed) await more;
      }
    } finally {
      stop();
    }
  }
}

/** What goes to one reader, no faster than it takes it. */
class Outgoing {
  closed = false;
  readonly #onClose = new Set<() => void>();

  constructor(
    readonly call: Call,
    readonly faults: Faults,
  ) {
    const close = (): void => {
      this.closed = true;
      for (const each of this.#onClose) each();
    };
    call.on('cancelled', close);
    call.on('close', close);
    call.on('error', close);
  }

  onClose(call: () => void): void {
    this.#onClose.add(call);
  }

  async write(message: ReadResp | Uint8Array): Promise<void> {
    if (this.faults.frozen) await this.faults.thawed();
    if (this.closed) throw anError(status.CANCELLED, 'the reader is gone');
    if (this.call.write(message)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.#onClose.delete(go);
        resolve();
      };
      this.call.once('drain', go);
      this.#onClose.add(go);
    });
  }
}

const viewOf = (log: EventLog, name: string) => {
  const view = log.streamView(name);
  if (view !== 'deleted') return view;
  throw anError(status.FAILED_PRECONDITION, `Event stream '${name}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': name,
  });
};

/** What a read of a stream goes over. */
const storedStream = (log: EventLog, name: string): ReadStream | null => {
  const view = viewOf(log, name);
  return view && { ...view, messageAt: (revision) => log.messageAt(view.indexOf(revision)) };
};

/** Whether a reader is given the event of a number. */
const filterOf = (options: ReadReq.Options, log: EventLog): ((index: number) => boolean) => {
  const filter = options.getFilter();
  if (filter === undefined) return () => true;
  const byStream = filter.getStreamIdentifier();
  const lets = matcherOf(byStream ?? filter.getEventType()!);
  return byStream === undefined ? (index) => lets(log.typeAt(index)) : (index) => lets(log.streamAt(index));
};

const matcherOf = (expression: ReadReq.Options.FilterOptions.Expression): ((name: string) => boolean) => {
  const prefixes = expression.getPrefixList();
  if (expression.getRegex() === '') return (name) => prefixes.some((prefix) => name.startsWith(prefix));
  const regex = new RegExp(expression.getRegex());
  return (name) => regex.test(name);
};

const checkpointSpacing = (options: ReadReq.Options): number | null => {
  const filter = options.getFilter();
  if (filter === undefined) return null;
  return filter.getCheckpointintervalmultiplier() * (filter.hasMax() ? filter.getMax() : WINDOW_EVENTS);
};

const confirmation = (): ReadResp => {
  const resp = new streams.ReadResp();
  const confirmed = new streams.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId(randomUUID());
  resp.setConfirmation(confirmed);
  return resp;
};

const caughtUp = (): ReadResp => {
  const resp = new streams.ReadResp();
  resp.setCaughtUp(new streams.ReadResp.CaughtUp());
  return resp;
};

const checkpoint = (position: number): ReadResp => {
  const resp = new streams.ReadResp();
  const reached = new streams.ReadResp.Checkpoint();
  reached.setCommitPosition(String(position));
  reached.setPreparePosition(String(position));
  resp.setCheckpoint(reached);
  return resp;
};

const notFound = (name: string): ReadResp => {
  const resp = new streams.ReadResp();
  const missing = new streams.ReadResp.StreamNotFound();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(name));
  missing.setStreamIdentifier(identifier);
  resp.setStreamNotFound(missing);
  return resp;
};
