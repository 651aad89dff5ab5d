import {
  EventStore,
  type Append,
  type AppendOutcome,
  type Commit,
  type Envelope,
  type NewEvent,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type Revision,
  type StreamName,
  type SubscribeOptions,
  type SubscriptionMessage,
} from '#event-store';
import type { SimulatedProcess } from './simulated-process.js';

const WIRE_MS = 2;

class LogUnreachable extends Error {
  readonly retryable = true;
}
const unreachable = (): Error => new LogUnreachable('the simulated log cannot be reached');

/** One process's way to the log that all share: over a wire, which takes its time and may be cut. */
export class ProcessLog extends EventStore {
  constructor(
    private readonly log: EventStore,
    private readonly process: SimulatedProcess,
  ) {
    super();
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    const { process } = this;
    if (process.state === 'dead') return;
    if (process.isCutFromLog)
      return process.enterAfter(process.delayMs(100), () => settle({ status: 'unknown', cause: unreachable() }));
    process.world.time.after(process.delayMs(WIRE_MS), () =>
      this.log.append(append, (outcome) => process.enterAfter(process.delayMs(WIRE_MS), () => settle(outcome))),
    );
  }

  readStream(stream: StreamName, options?: { from?: Revision; limit?: number }): Promise<readonly RecordedEvent[]> {
    return this.asked(() => this.log.readStream(stream, options));
  }

  async *readPages(stream: StreamName, options?: { from?: Revision }): AsyncGenerator<readonly RecordedEvent[]> {
    const pages = await this.asked(async () => {
      const read: (readonly RecordedEvent[])[] = [];
      for await (const page of this.log.readPages(stream, options)) read.push(page);
      return read;
    });
    for (const page of pages) yield page;
  }

  readAll(after: Position, options: ReadAllOptions): Promise<readonly Commit[]> {
    return this.asked(() => this.log.readAll(after, options));
  }

  head(): Promise<Position> {
    return this.asked(() => this.log.head());
  }

  archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome> {
    return this.asked(() => this.log.archive(stream, expected, stub, envelope));
  }

  async *subscribe(after: Position, { signal, ...options }: SubscribeOptions): AsyncGenerator<SubscriptionMessage> {
    const { process } = this;
    const ending = new AbortController();
    let isCut = false;
    const end = (): void => ending.abort();
    const cut = (): void => {
      isCut = true;
      end();
    };
    signal.addEventListener('abort', end);
    process.onCut.add(cut);
    try {
      if (process.isCutFromLog) throw unreachable();
      for await (const message of this.log.subscribe(after, { ...options, signal: ending.signal })) {
        await new Promise<void>((resolve) => process.enterAfter(process.delayMs(process.newsMs), resolve));
        if (isCut || signal.aborted) break;
        yield message;
      }
      if (isCut) {
        await new Promise<void>((resolve) => process.enterAfter(process.delayMs(100), resolve));
        throw unreachable();
      }
    } finally {
      signal.removeEventListener('abort', end);
      process.onCut.delete(cut);
    }
  }

  /** There, what is there then, and back. */
  private asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const { process } = this;
    return process.ask(process.readsMs, () => {
      if (process.isCutFromLog || process.areReadsCut) throw unreachable();
      return ask();
    });
  }
}
