import type { Append, AppendOutcome, Position, Revision, StreamName } from '../event-store.js';
import { AppendRefused } from '../event-store.js';
import { refuseUnfit } from '../packed.js';
import type { Appender } from './appender.js';
import { StreamDeleted, type LogReader } from './log-reader.js';
import { appendRequest } from './stored-events.js';

type Settle = (outcome: AppendOutcome) => void;

/** Writes appends, each as one call. Revisions are the server's, so that it refuses whatever was not decided on the stream as it is. */
export class StreamWriter {
  #underWay = 0;
  #whenIdle: (() => void)[] = [];

  constructor(
    readonly appender: Appender,
    readonly reader: LogReader,
  ) {}

  /** Settles once, never synchronously. Throws for what can never be appended. */
  write(append: Append, settle: Settle): void {
    const { stream, expected, events } = append;
    refuseUnfit(events);
    this.appender.send(
      (correlation) => appendRequest(append, correlation),
      (answer) => {
        if (answer.status === 'unknown') return settle(answer);
        if (answer.status === 'conflict') return void this.#conflict(stream, settle);
        if (answer.revision !== expected + events.length) return settle(BEGUN_ANEW);
        // The server's counts are ours.
        settle({ status: 'appended', revision: answer.revision as Revision, position: answer.commit as Position });
      },
    );
  }

  /** Resolves when every conflict has been told; appends under way are the appender's to wait for. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  async #conflict(stream: StreamName, settle: Settle): Promise<void> {
    this.#underWay += 1;
    let outcome: AppendOutcome;
    try {
      outcome = { status: 'conflict', actual: await this.reader.revision(stream) };
    } catch (error) {
      // Nothing was written, but to ask again is right, unless the stream is gone for ever.
      outcome = {
        status: 'unknown',
        cause: error instanceof StreamDeleted ? new AppendRefused(error.message) : error,
      };
    }
    this.#underWay -= 1;
    settle(outcome);
    if (this.#underWay === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

/** The numbers of a stream that was deleted go on where they were, and those of ours would not be true of it. */
const BEGUN_ANEW: AppendOutcome = {
  status: 'unknown',
  cause: new AppendRefused('somebody has deleted the stream: its events do not begin at 0 any more'),
};
