import type { Append, AppendOutcome, Revision, StreamName } from '../event-store.js';
import { AppendRefused } from '../event-store.js';
import { lastPosition, pack } from '../packed.js';
import type { Appender } from './appender.js';
import { StreamDeleted, type LogReader } from './log-reader.js';
import { appendRequest } from './stored-append.js';

type Settle = (outcome: AppendOutcome) => void;

/** Appends to a stream that have no outcome yet. */
type UnderWay = { count: number; readonly whenNone: (() => void)[] };

/**
 * Writes appends as events of the server. The revision that an append expects counts events, the server's counts appends:
 * where the one is known for the other an append is sent at once, and else the stream is asked first. What is known of an
 * append in the log stays true, so the server refuses whatever was not decided on the stream as it is.
 */
export class StreamWriter {
  readonly #underWay = new Map<StreamName, UnderWay>();
  #count = 0;
  #whenIdle: (() => void)[] = [];

  constructor(
    readonly appender: Appender,
    readonly reader: LogReader,
  ) {}

  /** Settles once, never synchronously. Throws for what can never be appended. */
  write(append: Append, settle: Settle): void {
    const packed = pack(append);
    this.#count += 1;
    const done: Settle = (outcome) => {
      this.#count -= 1;
      settle(outcome);
      if (this.#count === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    };
    const after = this.reader.knownRevisionAt(append.stream, append.expected);
    if (after === null) void this.#ask(append, packed, done);
    else this.#send(append, { packed, after }, done);
  }

  /** Resolves when every append has its outcome. */
  async idle(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  #send(append: Append, { packed, after }: { packed: string; after: number }, settle: Settle): void {
    const { stream, expected, events } = append;
    this.#enter(stream);
    const make = (correlation: string) => appendRequest(append, { packed, after, correlation });
    this.appender.send(make, (answer) => {
      if (answer.status === 'written') {
        const last = expected + events.length;
        this.reader.places.note(stream, { first: expected + 1, last, server: answer.revision });
        const position = lastPosition(answer.commit, events.length);
        settle({ status: 'appended', revision: last as Revision, position }); // counted on from what was expected
      } else if (answer.status === 'unknown') settle(answer);
      else void this.#conflict(stream).then(settle);
      this.#leave(stream);
    });
  }

  /** Finds out what the server calls the revision that is expected, if the stream is at it or was. */
  async #ask(append: Append, packed: string, settle: Settle): Promise<void> {
    const { stream, expected } = append;
    let after: number | null = null;
    try {
      // It may expect what one of these writes.
      for (; after === null && this.#underWay.has(stream); after = this.reader.knownRevisionAt(stream, expected)) {
        await this.#free(stream);
      }
      after ??= await this.reader.revisionAt(stream, expected);
    } catch (error) {
      return settle(unknownFor(error));
    }
    if (after === null) settle(await this.#conflict(stream));
    else this.#send(append, { packed, after }, settle);
  }

  async #conflict(stream: StreamName): Promise<AppendOutcome> {
    try {
      return { status: 'conflict', actual: await this.reader.revision(stream) };
    } catch (error) {
      return unknownFor(error);
    }
  }

  #enter(stream: StreamName): void {
    const underWay = this.#underWay.get(stream);
    if (underWay === undefined) this.#underWay.set(stream, { count: 1, whenNone: [] });
    else underWay.count += 1;
  }

  #leave(stream: StreamName): void {
    const underWay = this.#underWay.get(stream)!;
    underWay.count -= 1;
    if (underWay.count > 0) return;
    this.#underWay.delete(stream);
    for (const resolve of underWay.whenNone) resolve();
  }

  #free(stream: StreamName): Promise<void> {
    return new Promise((resolve) => this.#underWay.get(stream)!.whenNone.push(resolve));
  }
}

/** Nothing was written, but to ask again is right, unless the stream is gone for ever. */
const unknownFor = (error: unknown): AppendOutcome => ({
  status: 'unknown',
  cause: error instanceof StreamDeleted ? new AppendRefused(error.message) : error,
});
