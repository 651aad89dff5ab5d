import type { ReadCall } from './connection.js';
import type { ReadResponse } from './read-response.js';

/** So much of one read waits for its reader at most, beside what gRPC holds; the server then waits too. */
const WAITING_MAX = 1024;
const WAITING_CHARS_MAX = 512 * 1024;

/** A read under way, taken in batches at the pace of its reader. */
export class Inflow<Item extends { readonly chars: number }> {
  #waiting: Item[] = [];
  #chars = 0;
  /** Nothing more is waited for. */
  #ended = false;
  /** The call has ended. */
  #over = false;
  #error: unknown = null;
  #closed = false;
  #wake = (): void => {};

  constructor(
    readonly call: ReadCall,
    /** Puts what a response brings, if it brings anything. */
    readonly decode: (response: ReadResponse, put: (item: Item) => void) => void,
    /** Hears what broke the call, unless it was let go of. */
    readonly broke: (error: unknown) => void,
  ) {
    call.on('data', (response: ReadResponse) => this.#receive(response));
    call.on('end', () => this.#end());
    call.on('error', (error) => {
      if (!this.#closed) broke(error);
      this.#error ??= error;
      this.#end();
    });
  }

  /** Stops waiting for what comes: there is nobody to take it any more. */
  stopWaiting = (): void => {
    this.#ended = true;
    this.#wake();
  };

  /** The next arrivals; `null` at the end. Throws what broke the call, after what had arrived before. */
  async take(): Promise<readonly Item[] | null> {
    if (this.#waiting.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      // What comes in one turn goes together: 10 times fewer turns of the reader when there is much.
      if (!this.#ended) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const taken = this.#waiting;
    if (taken.length === 0) {
      if (this.#error !== null) throw this.#error;
      return null;
    }
    this.#waiting = [];
    this.#chars = 0;
    this.call.resume();
    return taken;
  }

  /** Breaks the read, as its call would. */
  fail(error: unknown): void {
    this.broke(error);
    this.#error ??= error;
    this.close();
  }

  /** Lets go of a read that may still go on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Not inside an event of the call: grpc-js would go on to hand out what it has.
    if (!this.#over) setImmediate(() => this.call.cancel());
    this.stopWaiting();
  }

  #receive(response: ReadResponse): void {
    if (!this.#closed) this.decode(response, this.#put);
  }

  readonly #put = (item: Item): void => {
    this.#waiting.push(item);
    this.#chars += item.chars;
    if (this.#waiting.length >= WAITING_MAX || this.#chars >= WAITING_CHARS_MAX) this.call.pause();
    this.#wake();
  };

  #end(): void {
    this.#over = true;
    this.stopWaiting();
  }
}
