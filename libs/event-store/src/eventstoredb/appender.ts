import type { Clock } from '#runtime';
import { AppendUnanswered, correlationOf, type Answer, type AppendResponse } from './append-response.js';
import type { BatchAppendCall, Connection } from './connection.js';
import type { Connector } from './connector.js';
import { isNotLeader } from './grpc-errors.js';

/** No answer came in time: the append may be in the log or not. */
export class AppendTimedOut extends Error {
  readonly code = 'append-timed-out';
  readonly retryable = true;
}

type Settle = (answer: Answer) => void;
type Pending = { readonly settle: Settle; readonly cancelTimer: () => void };

/** A call to the server that carries all appends, each with a number of its own. */
class Session {
  readonly pending = new Map<number, Pending>();
  #call: BatchAppendCall | null = null;
  #unsent: Buffer[] = [];

  constructor(readonly connection: Connection) {}

  attach(call: BatchAppendCall): void {
    this.#call = call;
    for (const req of this.#unsent.splice(0)) call.write(req);
  }

  send(req: Buffer): void {
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
  send(make: (correlation: string) => Buffer, settle: Settle): void {
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
        call.on('data', (response: AppendResponse) => this.#hear(session, response));
        call.on('error', (error) => this.#break(session, error));
        call.on('end', () => this.#break(session, new AppendUnanswered('the server has ended the call')));
        session.attach(call);
      },
      (error: unknown) => this.#break(session, error),
    );
    return session;
  }

  #hear(session: Session, { number, answer }: AppendResponse): void {
    // An answer that comes after its timer has nobody to go to: the append is asked for again.
    if (session.pending.has(number)) this.#settle(session, number, answer);
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
