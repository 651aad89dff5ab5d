import type { StreamName } from '../event-store.js';

/** Where an append of a stream is: the events from `first` to `last` are the server's event `server`. */
export type StreamPlace = { readonly first: number; readonly last: number; readonly server: number };

/** A generation of these takes some 5 MB. */
const STREAMS_A_GENERATION = 32_768;

/** The newest append that this process knows of, for the streams that it had to do with lately. */
export class StreamPlaces {
  #young = new Map<StreamName, StreamPlace>();
  #old = new Map<StreamName, StreamPlace>();

  note(stream: StreamName, place: StreamPlace): void {
    const known = this.#young.get(stream);
    if (known !== undefined && known.server >= place.server) return;
    this.#young.set(stream, place);
    if (this.#young.size < STREAMS_A_GENERATION) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  get(stream: StreamName): StreamPlace | undefined {
    return this.#young.get(stream) ?? this.#old.get(stream);
  }
}
