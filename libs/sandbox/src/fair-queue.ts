import { Fifo } from './fifo.js';

/** What waits of one namespace, and who is to be told that it has room. */
type Line<Entry> = { readonly entries: Fifo<Entry>; readonly rooms: Fifo<() => void> };

/**
 * What waits, by namespace: first come, first served in each, and the namespaces take turns, so that one with fifty thousand waiting
 * delays the others by one turn. Each has so many places; who finds none keeps what it has, and is told of room.
 */
export class FairQueue<Entry> {
  readonly #lines = new Map<string, Line<Entry>>();
  /** Namespaces that have something waiting, the next one first. */
  #turns: string[] = [];

  constructor(private readonly placesOfNamespace: number) {}

  /** Whether it was taken. */
  add(namespace: string, entry: Entry): boolean {
    const { entries } = this.#lineOf(namespace);
    if (entries.size >= this.placesOfNamespace) return false;
    if (entries.size === 0) this.#turns.push(namespace);
    entries.add(entry);
    return true;
  }

  /** Calls back when the namespace has room, at once if it has some: once for one place, in the order of asking. */
  whenRoom(namespace: string, call: () => void): void {
    this.#lineOf(namespace).rooms.add(call);
    this.#tellOfRoom(namespace);
  }

  /** Whoever is next; it stays where it is. */
  peek(): Entry | undefined {
    const [next] = this.#turns;
    return next === undefined ? undefined : this.#lines.get(next)?.entries.peek();
  }

  take(): Entry | undefined {
    const namespace = this.#turns.shift();
    if (namespace === undefined) return undefined;
    const { entries } = this.#lineOf(namespace);
    const entry = entries.take();
    if (entries.size > 0) this.#turns.push(namespace);
    this.#tellOfRoom(namespace);
    return entry;
  }

  /** To the front of all: it had had its turn. */
  putBack(namespace: string, entry: Entry): void {
    this.#lineOf(namespace).entries.putBack(entry);
    this.#turns = [namespace, ...this.#turns.filter((each) => each !== namespace)];
  }

  #lineOf(namespace: string): Line<Entry> {
    let line = this.#lines.get(namespace);
    if (line === undefined) this.#lines.set(namespace, (line = { entries: new Fifo(), rooms: new Fifo() }));
    return line;
  }

  #tellOfRoom(namespace: string): void {
    const { entries, rooms } = this.#lineOf(namespace);
    // Whoever is told may add at once; one who does not leaves the place to the next.
    while (entries.size < this.placesOfNamespace && rooms.size > 0) rooms.take()!();
    if (entries.size === 0 && rooms.size === 0) this.#lines.delete(namespace);
  }
}
