import type { Log } from '#runtime';
import type { Connection } from './connection.js';

type Connect = (url: string, generation: number, log: Log) => Connection;

let generations = 0;

/** The connection that is in use now. One that is stuck or broken is replaced by a new one; calls under way on it go on. */
export class Connector {
  #current: Connection | null = null;
  readonly #all = new Set<Connection>();

  constructor(
    readonly connect: Connect,
    readonly log: Log,
    readonly url: string,
  ) {}

  get current(): Connection {
    if (this.#current === null) {
      this.#current = this.connect(this.url, generations++, this.log);
      this.#all.add(this.#current);
    }
    return this.#current;
  }

  /** The next call goes over a new connection, unless somebody has seen to it already. */
  renew(failed: Connection): void {
    if (this.#current !== failed) return;
    this.#current = null;
    this.#all.delete(failed);
    // A connection that cannot even be made has nothing to let go of.
    failed.retire().catch(() => {});
  }

  async close(): Promise<void> {
    this.#current = null;
    const all = [...this.#all];
    this.#all.clear();
    await Promise.allSettled(all.map((connection) => connection.close()));
  }
}
