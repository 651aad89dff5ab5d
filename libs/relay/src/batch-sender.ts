import type { RecordedEvent } from '#event-store';
import { pause, type Clock } from '#runtime';
import type { BackOff } from './back-off.js';
import { messageBytes, type Publisher, type TopicMessage } from './publisher.js';
import { runEventMessage, withoutData } from './run-event-message.js';

/** A batch is one request; it is bounded well below what a broker takes by default, 1 MiB. */
export const BATCH_BYTES_MAX = 900_000;
export const BATCH_EVENTS_MAX = 2_000;

export type SenderOptions = {
  readonly topic: string;
  readonly batchBytesMax: number;
  readonly batchEventsMax: number;
  /** What an attempt came to; called with `null` when the broker has acknowledged. */
  readonly onAttempt: (failure: unknown) => void;
};

type Outgoing = { readonly event: RecordedEvent; message: TopicMessage; bytes: number; truncated: boolean };

/**
 * Sends events in their order, one bounded batch after the other, each repeated until the broker has acknowledged it. An
 * event that the broker finds too large goes without its data: nothing of its size stands in the way of the others.
 */
export class BatchSender {
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #backOff: BackOff;
  readonly #options: SenderOptions;
  /** Lowered when the broker takes less than we thought. */
  #bytesMax: number;
  #published = 0;
  #truncated = 0;

  constructor(publisher: Publisher, clock: Clock, backOff: BackOff, options: SenderOptions) {
    this.#publisher = publisher;
    this.#clock = clock;
    this.#backOff = backOff;
    this.#options = options;
    this.#bytesMax = options.batchBytesMax;
  }

  /** Events acknowledged, and those among them that went without their data. */
  get counts(): { readonly published: number; readonly truncated: number } {
    return { published: this.#published, truncated: this.#truncated };
  }

  /** True when all are acknowledged; false when the signal has aborted and an attempt failed. It then tries no more. */
  async send(events: readonly RecordedEvent[], signal: AbortSignal): Promise<boolean> {
    const outgoing = events.map(toOutgoing);
    for (let from = 0; from < outgoing.length;) {
      const batch = this.#batchFrom(outgoing, from);
      const messages = batch.map(({ message }) => message);
      const outcome = await this.#publisher.publish(this.#options.topic, messages);
      if (outcome.status === 'published') {
        from += batch.length;
        this.#acknowledged(batch);
      } else if (outcome.status !== 'too-large' || !this.#lessen(batch)) {
        this.#options.onAttempt(outcome.cause);
        if (!signal.aborted) await pause(this.#clock, this.#backOff.next(), signal);
        if (signal.aborted) return false;
      }
    }
    return true;
  }

  #batchFrom(outgoing: readonly Outgoing[], from: number): readonly Outgoing[] {
    let until = from + 1;
    let bytes = outgoing[from]!.bytes;
    while (until < outgoing.length && until - from < this.#options.batchEventsMax) {
      bytes += outgoing[until]!.bytes;
      if (bytes > this.#bytesMax) break;
      until++;
    }
    return outgoing.slice(from, until);
  }

  #acknowledged(batch: readonly Outgoing[]): void {
    this.#published += batch.length;
    this.#truncated += batch.filter(({ truncated }) => truncated).length;
    this.#backOff.reset();
    this.#options.onAttempt(null);
  }

  /** Makes the next attempt a smaller one; false when there is nothing left to take away. */
  #lessen(batch: readonly Outgoing[]): boolean {
    const [first] = batch;
    if (batch.length > 1) {
      this.#bytesMax = Math.floor(batch.reduce((sum, { bytes }) => sum + bytes, 0) / 2);
      return true;
    }
    if (first === undefined || first.truncated) return false;
    first.message = withoutData(first.event);
    first.bytes = messageBytes(first.message);
    first.truncated = true;
    return true;
  }
}

const toOutgoing = (event: RecordedEvent): Outgoing => {
  const message = runEventMessage(event);
  return { event, message, bytes: messageBytes(message), truncated: false };
};
