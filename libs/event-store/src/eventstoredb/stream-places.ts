import type { StreamName } from '../event-store.js';

/** Where an append of a stream is: the events from `first` to `last` are the server's event `server`. */
export type StreamPlace = { readonly first: number; readonly last: number; readonly server: number };

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A generation of these takes some 5 MB. */
const STREAMS_A_GENERATION = 32_768;

/** The newest append that this process knows of, for the streams that it had to do with lately. */
export class StreamPlaces {
  #young = new Map<StreamName, Writable<StreamPlace>>();
  #old = new Map<StreamName, Writable<StreamPlace>>();

  note(stream: StreamName, { first, last, server }: StreamPlace): void {
    const known = this.#young.get(stream);
    if (known !== undefined) {
      if (known.server >= server) return;
      // In place: a new object for each append of a run would outlive the young generation of the heap.
      known.first = first;
      known.last = last;
      known.server = server;
      return;
    }
    this.#young.set(stream, { first, last, server });
    if (this.#young.size < STREAMS_A_GENERATION) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  get(stream: StreamName): StreamPlace | undefined {
    return this.#young.get(stream) ?? this.#old.get(stream);
  }
}
