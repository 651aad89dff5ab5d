import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Clock } from '#runtime';
import { AppendRefused } from '../event-store.js';
import type { BatchAppendCall, Connection } from './connection.js';
import type { Connector } from './connector.js';
import { isNotLeader } from './grpc-errors.js';

/** No answer came in time: the append may be in the log or not. */
export class AppendTimedOut extends Error {
  readonly code = 'append-timed-out';
  readonly retryable = true;
}

/** The server did not say what became of an append. */
export class AppendUnanswered extends Error {
  readonly code = 'append-unanswered';
  readonly retryable = true;
}

/** What became of an append, in the server's counts. */
export type Answer =
  | { readonly status: 'written'; readonly revision: number; readonly commit: number }
  | { readonly status: 'conflict' }
  | { readonly status: 'unknown'; readonly cause: unknown };

type Settle = (answer: Answer) => void;
type Pending = { readonly settle: Settle; readonly cancelTimer: () => void };

/** A call to the server that carries all appends, each with a number of its own. */
class Session {
  readonly pending = new Map<number, Pending>();
  #call: BatchAppendCall | null = null;
  #unsent: BatchAppendReq[] = [];

  constructor(readonly connection: Connection) {}

  attach(call: BatchAppendCall): void {
    this.#call = call;
    for (const req of this.#unsent.splice(0)) call.write(req);
  }

  send(req: BatchAppendReq): void {
    if (this.#call === null) this.#unsent.push(req);
    else this.#call.write(req);
  }

  end(): void {
    this.#call?.end();
  }
}

/**
 * Sends appends over one call, and gives each an answer in time. The call is replaced, on a connection of its own, when
 * it broke or left an append without an answer; the other appends on it still get theirs.
 */
export class Appender {
  #session: Session | null = null;
  #last = 0;
  #underWay = 0;
  #whenIdle: (() => void)[] = [];

  constructor(
    readonly connector: Connector,
    readonly clock: Clock,
    readonly timeoutMs: number,
  ) {}

  /** `make` is given what the server is to answer with. Settles once, never synchronously. */
  send(make: (correlation: string) => BatchAppendReq, settle: Settle): void {
    const number = ++this.#last;
    // First: it refuses what can never be appended.
    const req = make(correlationOf(number));
    const session = (this.#session ??= this.#open());
    const cancelTimer = this.clock.after(this.timeoutMs, () => this.#timeOut(session, number));
    session.pending.set(number, { settle, cancelTimer });
    this.#underWay += 1;
    session.send(req);
  }

  /** Resolves when every append has its outcome. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    this.#session?.end();
  }

  #open(): Session {
    const { current } = this.connector;
    const session = new Session(current);
    current.batchAppend().then(
      (call) => {
        call.on('data', (resp: BatchAppendResp) => this.#hear(session, resp));
        call.on('error', (error) => this.#break(session, error));
        call.on('end', () => this.#break(session, new AppendUnanswered('the server has ended the call')));
        session.attach(call);
      },
      (error: unknown) => this.#break(session, error),
    );
    return session;
  }

  #hear(session: Session, resp: BatchAppendResp): void {
    const number = numberOf(resp);
    // An answer that comes after its timer has nobody to go to: the append is asked for again.
    if (session.pending.has(number)) this.#settle(session, number, answerOf(resp));
  }

  #timeOut(session: Session, number: number): void {
    const cause = new AppendTimedOut(`no answer to an append within ${this.timeoutMs} ms`);
    this.#abandon(session);
    this.#settle(session, number, { status: 'unknown', cause });
  }

  #break(session: Session, cause: unknown): void {
    // Told who leads, the connection goes there by itself.
    if (isNotLeader(cause)) this.#forget(session);
    else this.#abandon(session);
    for (const number of [...session.pending.keys()]) this.#settle(session, number, { status: 'unknown', cause });
  }

  /** Appends from now on take another connection. */
  #abandon(session: Session): void {
    this.#forget(session);
    this.connector.renew(session.connection);
  }

  #forget(session: Session): void {
    if (this.#session === session) this.#session = null;
  }

  #settle(session: Session, number: number, answer: Answer): void {
    const { settle, cancelTimer } = session.pending.get(number)!;
    session.pending.delete(number);
    cancelTimer();
    this.#underWay -= 1;
    if (session.pending.size === 0 && this.#session !== session) session.end();
    settle(answer);
    if (this.#underWay === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

const CORRELATION_PREFIX = '00000000-0000-4000-8000-';
const CORRELATION_DIGITS = 12;
const CORRELATION_MASK = 0xffff_ffff_ffffn;

/** Numbers of appends travel as UUIDs. */
const correlationOf = (number: number): string =>
  CORRELATION_PREFIX + number.toString(16).padStart(CORRELATION_DIGITS, '0');

/** The server answers with the text, or, when its own timer has fired, with two halves. */
const numberOf = (resp: BatchAppendResp): number => {
  const id = resp.getCorrelationId();
  const halves = id?.getStructured();
  if (halves !== undefined) return Number(BigInt(halves.getLeastSignificantBits()) & CORRELATION_MASK);
  return Number.parseInt(id?.getString().slice(CORRELATION_PREFIX.length) ?? '', 16);
};

const answerOf = (resp: BatchAppendResp): Answer => {
  const success = resp.getSuccess();
  if (success === undefined) return refusalOf(resp);
  const position = success.getPosition();
  // It was in the stream, and somebody has deleted that since: nothing is written, and nothing is there.
  if (position === undefined) return { status: 'conflict' };
  return {
    status: 'written',
    revision: Number(success.getCurrentRevision()),
    commit: Number(position.getCommitPosition()),
  };
};

/** Answers after which a repeat has the same answer. */
const PERMANENT: Readonly<Record<string, string>> = {
  'event_store.client.StreamDeleted': 'the stream was deleted for ever',
  'event_store.client.AccessDenied': 'the user of the connection string may not write to the stream',
  'event_store.client.MaximumAppendSizeExceeded': 'the append is larger than the server takes',
  'event_store.client.BadRequest': 'the server does not understand the append',
};

const refusalOf = (resp: BatchAppendResp): Answer => {
  const error = resp.getError();
  const name = error?.getDetails()?.getTypeName() ?? '';
  if (name === 'event_store.client.WrongExpectedVersion') return { status: 'conflict' };
  const permanent = PERMANENT[name];
  if (permanent !== undefined) return { status: 'unknown', cause: new AppendRefused(permanent) };
  return { status: 'unknown', cause: new AppendUnanswered(error?.getMessage() ?? 'an answer without a result') };
};
