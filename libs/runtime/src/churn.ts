/*
 * Containers for what comes and goes by the thousand a second. V8 links each table that a `Map` or `Set` has outgrown to
 * the next one. Once such a table has been promoted to the old generation, everything that was in the container when it was
 * replaced is held by it, copied and promoted in its turn, until the next full collection: at 256 runs at once that was
 * half of all allocated bytes. The containers here let go of a value in the moment in which it is taken out.
 */

/** A map of objects by strings. */
export class ChurnMap<Key extends string, Value extends object> {
  /** Holds numbers, so that what an outgrown table still holds is small. */
  readonly #places = new Map<Key, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.size;
  }

  /** All that is in now: what is set or deleted meanwhile changes nothing of it. */
  values(): readonly Value[] {
    return this.#values.filter((value) => value !== undefined);
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  set(key: Key, value: Value): void {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#free.pop() ?? this.#values.length;
      this.#places.set(key, place);
    }
    this.#values[place] = value;
  }

  /** False when there was no such key. */
  delete(key: Key): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }
}

/** What a `Bag` may hold: an object that knows its place in the one bag that it is in, or -1. */
export type Bagged = { place: number };

/** A set of objects, each in one bag at most, in no order. */
export class Bag<Item extends Bagged> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  has(item: Item): boolean {
    return this.#items[item.place] === item;
  }

  /** False when it was not in. */
  delete(item: Item): boolean {
    const { place } = item;
    if (this.#items[place] !== item) return false;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      last.place = place;
      this.#items[place] = last;
    }
    item.place = -1;
    return true;
  }

  clear(): void {
    for (const item of this.#items) item.place = -1;
    this.#items.length = 0;
  }

  /** All that is in now: what is added or taken out meanwhile changes nothing of it. */
  items(): readonly Item[] {
    return [...this.#items];
  }
}
