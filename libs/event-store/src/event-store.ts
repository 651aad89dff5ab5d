/** Name of a stream: `run-<xx>-<runId>`, `catalogue`, `plan-<hash>`. */
export type StreamName = string & { readonly __stream: true };
/** An event's place in its stream, from 0. Never compared with a position. */
export type Revision = number & { readonly __revision: true };
/** An event's place in the whole log. Opaque: only order has meaning; gaps are normal. */
export type Position = number & { readonly __position: true };

/** Expected revision of a stream that must not exist yet. */
export const NO_STREAM = -1 as Revision;
/** Before every event: where a reader of the whole log starts. */
export const LOG_START = -1 as Position;

export const APPEND_EVENTS_MAX = 256;
export const APPEND_BYTES_MAX = 768 * 1024;

/** An event to append; `data` is JSON text, so that payloads that only pass through are not serialised again. */
export type NewEvent = { readonly type: string; readonly v: number; readonly data: string };

/** What all events of one append share. Unknown members of stored envelopes are kept. */
export type Envelope = {
  /** Fresh and random per decision; with stream, expected revision and ordinal it gives the event ids. */
  readonly commandId: string;
  readonly recordedAt: string;
  readonly actor: string | null;
  readonly traceparent: string | null;
};

/** Whom an append to a run tells something new: the owner of its shard, or those who wait for what becomes of the run. */
export type Audience = 'owner' | 'waiting';

export type Append = {
  readonly stream: StreamName;
  readonly expected: Revision;
  readonly events: readonly NewEvent[];
  readonly envelope: Envelope;
  /** Absent: everybody. Not part of what is read back: it spares subscribers what they know or need not know. */
  readonly audience?: Audience | undefined;
};

/**
 * Four outcomes. `unknown`: the append may or may not be in the log, repeat the very same one (same ids, same expected
 * revision): a repeat of an append that is in the log answers `appended` with its first result. `refused`: it is not in the
 * log and will not be; the log had no room for it, and takes appends again by itself once it has.
 */
export type AppendOutcome =
  | { readonly status: 'appended'; readonly revision: Revision; readonly position: Position }
  | { readonly status: 'conflict'; readonly actual: Revision }
  | { readonly status: 'refused'; readonly fault: LogFull }
  | { readonly status: 'unknown'; readonly cause: unknown };

export type RecordedEvent = {
  /** UUIDv5 of stream, expected revision, command id and ordinal; computed, not stored. */
  readonly id: string;
  readonly type: string;
  readonly v: number;
  readonly stream: StreamName;
  readonly revision: Revision;
  readonly position: Position;
  readonly recordedAt: string;
  readonly actor: string | null;
  readonly causation: string;
  readonly traceparent: string | null;
  /** JSON text, as it was appended: whoever parses it to write it again may change its numbers. */
  readonly data: string;
};

/** One append as it stands in the log. `packed` crosses threads as it is; `unpack` gives its events. */
export type Commit = {
  readonly stream: StreamName;
  readonly firstRevision: Revision;
  readonly count: number;
  /** Of the last event. */
  readonly position: Position;
  readonly packed: string;
  /** Of each event, where they do not stand one after the other up to `position`. */
  readonly positions?: readonly Position[];
  /** Of each event, where they are not made of the append: somebody else has written it, or its first events are gone. */
  readonly ids?: readonly string[];
  /** As far as the adapter knows it. */
  readonly audience?: Audience;
};

/** Which streams a reader wants: all, one, or those that start with one of the prefixes. */
export type Filter = {
  readonly stream?: StreamName;
  readonly prefixes?: readonly string[];
  /**
   * A subscription to streams of runs leaves out what is for another audience alone. A store that one process has to itself
   * may give it all the same.
   */
  readonly audience?: Audience;
};

/** So many appends at most, or, with `bytesMax`, as many as hold so much, and the one that passes it. */
export type ReadAllOptions = { readonly limit: number; readonly bytesMax?: number; readonly filter?: Filter };

/** A page of one stream: so many events, or the append that passes either. */
export const PAGE_EVENTS_MAX = 1_000;
export const PAGE_BYTES_MAX = 2 * 1024 * 1024;

export type SubscribeOptions = {
  /** Default: every stream. */
  readonly filter?: Filter;
  /**
   * How long, in milliseconds, what is appended may gather before it is given, asked again after each message; 0, the
   * default: not at all. Where a message for each append costs much, many that come together cost a fraction.
   */
  readonly gatherMs?: () => number;
  readonly signal: AbortSignal;
};

export type SubscriptionMessage =
  /** `position`: everything up to here was given. With an audience it moves on where nothing is for it; then there may be no commits. */
  | { readonly type: 'commits'; readonly commits: readonly Commit[]; readonly position: Position }
  /** Everything up to here was delivered; sent once after each catch-up. */
  | { readonly type: 'caught-up'; readonly position: Position };

/** Thrown by `append` (synchronously) for what can never be appended: no events, too many, too large. A bug of the caller. */
export class AppendRefused extends Error {
  readonly code = 'append-refused';
}

/** The disk of the log has no room. What is in the log can be read. */
export class LogFull extends Error {
  readonly code = 'storage-full';
  readonly retryable = true;
}

/**
 * The log: the only source of truth. Appends are durable before they are answered, whole or not at all, and ordered per
 * stream by expected revision. Every adapter passes `testing/event-store-contract.ts`.
 */
export abstract class EventStore {
  abstract start(): Promise<void>;
  /** Settles or fails the appends under way, then closes. Idempotent. */
  abstract stop(): Promise<void>;
  /** Calls `settle` exactly once, never synchronously. A callback, since this stands between every answer and its commit. */
  abstract append(append: Append, settle: (outcome: AppendOutcome) => void): void;
  /** Events of one stream from a revision on, at most `limit` of them (default: all). Empty when there is no such stream. */
  abstract readStream(
    stream: StreamName,
    options?: { from?: Revision; limit?: number },
  ): Promise<readonly RecordedEvent[]>;
  /**
   * The events of one stream from a revision on, page by page, none of them empty: a page is a bounded amount of memory, and of
   * the time of this thread, which does its other work between two. For streams of any length.
   */
  abstract readPages(stream: StreamName, options?: { from?: Revision }): AsyncIterable<readonly RecordedEvent[]>;
  /** Appends of the whole log after a position, in order: the next ones, none when there are no more. */
  abstract readAll(after: Position, options: ReadAllOptions): Promise<readonly Commit[]>;
  /** Follows the log after a position: what is stored, `caught-up`, then what is appended. Ends when the signal aborts. */
  abstract subscribe(after: Position, options: SubscribeOptions): AsyncIterable<SubscriptionMessage>;
  /**
   * Position of the last event, `LOG_START` when there is none. On a server that others use too it may be one of theirs, or the
   * server's own: no reader has got further than that.
   */
  abstract head(): Promise<Position>;
  /** Replaces the history of a stream by one event `stub`; later revisions go on from there. No news for an owner: a run has ended. */
  abstract archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome>;
}
