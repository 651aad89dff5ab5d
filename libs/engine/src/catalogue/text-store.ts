import { NO_STREAM, textStream, type EventStore } from '#event-store';
import { sha256Hex, type Clock, type Entropy } from '#runtime';
import type { Origin } from '../runs.js';
import { appendSurely } from './append-surely.js';
import { decodeText, encodeText } from './catalogue-event-codec.js';

/** Texts by the hash of their content, each in a stream of its own: nobody reads one who does not ask for it. */
export class TextStore {
  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
  ) {}

  /** Stores a text, unless the log holds it already, and gives its hash. */
  async keep(text: string, origin: Origin): Promise<string> {
    const hash = sha256Hex(text);
    // A conflict says that it is there: the stream's name is its content.
    await appendSurely(this.store, this.clock, {
      stream: textStream(hash),
      expected: NO_STREAM,
      events: [encodeText(text)],
      envelope: { commandId: this.entropy.hex(16), recordedAt: this.clock.now(), ...origin },
    });
    return hash;
  }

  async read(hash: string): Promise<string | null> {
    const [event] = await this.store.readStream(textStream(hash), { limit: 1 });
    return event === undefined ? null : decodeText(event);
  }
}
