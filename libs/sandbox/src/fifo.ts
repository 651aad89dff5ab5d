/** So many places of those taken are kept before the rest moves to the front. */
const TAKEN_MAX = 1_024;

/** First in, first out, at the same price however many wait. */
export class Fifo<Entry> {
  #entries: Entry[] = [];
  #taken = 0;

  get size(): number {
    return this.#entries.length - this.#taken;
  }

  peek(): Entry | undefined {
    return this.#entries[this.#taken];
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  putBack(entry: Entry): void {
    if (this.#taken > 0) this.#entries[--this.#taken] = entry;
    else this.#entries.unshift(entry);
  }

  take(): Entry | undefined {
    const entry = this.#entries[this.#taken];
    if (this.size === 0) return undefined;
    this.#taken += 1;
    if (this.size === 0 || this.#taken > TAKEN_MAX) {
      this.#entries = this.#entries.slice(this.#taken);
      this.#taken = 0;
    }
    return entry;
  }
}
