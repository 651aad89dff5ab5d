import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export type ProxyTarget = { readonly host: string; readonly port: number };

/** Changes the bytes of one connection on their way back. May hold back what it cannot judge yet. */
export type Rewrite = (chunk: Buffer) => Buffer;

export type ProxyOptions = {
  /** Makes the change of the answers for each connection; none by default. */
  readonly rewrite?: () => Rewrite;
  readonly port?: number;
};

/**
 * Stands between a client and a server, so that a test can part them. `cut` ends the connections and refuses others, as a
 * server does that has died; `stall` keeps them open and lets no byte through either way, as a network does that is
 * gone; `heal` undoes both, and what was held back goes on its way.
 */
export class FaultProxy {
  readonly #target: ProxyTarget;
  readonly #options: ProxyOptions;
  readonly #pairs = new Set<Pair>();
  #server: Server | null = null;
  #port = 0;
  #stalled = false;
  #accepted = 0;

  constructor(target: ProxyTarget, options: ProxyOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.#port = options.port ?? 0;
  }

  /** Listens on 127.0.0.1; the port stays the same until the end, also over a cut. */
  async start(): Promise<this> {
    const server = createServer((client) => this.#accept(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    // Of a server that listens on TCP.
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Connections taken so far. */
  get accepted(): number {
    return this.#accepted;
  }

  async cut(): Promise<void> {
    await this.stop();
  }

  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) pair.hold();
  }

  async heal(): Promise<void> {
    this.#stalled = false;
    for (const pair of this.#pairs) pair.release();
    if (this.#server === null) await this.start();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const pair of [...this.#pairs]) pair.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    const pair = new Pair(client, this.#target, this.#options.rewrite?.() ?? null, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#stalled) pair.hold();
  }
}

/** A client's connection and the one to the server that belongs to it. */
class Pair {
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(client: Socket, target: ProxyTarget, rewrite: Rewrite | null, ended: () => void) {
    this.#client = client;
    this.#server = connect(target);
    forward(this.#client, this.#server, null);
    forward(this.#server, this.#client, rewrite);
    for (const socket of [this.#client, this.#server]) {
      socket.setNoDelay(true);
      // The close that follows says all that is to be said.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.destroy();
        ended();
      });
    }
  }

  /** A socket that is not read makes the other side wait once its buffers are full. */
  hold(): void {
    this.#client.pause();
    this.#server.pause();
  }

  release(): void {
    this.#client.resume();
    this.#server.resume();
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}

const forward = (from: Socket, to: Socket, rewrite: Rewrite | null): void => {
  from.on('data', (chunk: Buffer) => to.write(rewrite === null ? chunk : rewrite(chunk)));
  from.on('end', () => to.end());
};

/** Changes whole messages of a protocol that sends the length of each in four bytes before it, however they are cut into chunks. */
export const framed = (change: (message: Buffer) => void): Rewrite => {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    let until = 0;
    while (held.length >= until + LENGTH_BYTES) {
      const end = until + LENGTH_BYTES + held.readInt32BE(until);
      if (end > held.length) break;
      change(held.subarray(until + LENGTH_BYTES, end));
      until = end;
    }
    const whole = held.subarray(0, until);
    held = held.subarray(until);
    return whole;
  };
};

const LENGTH_BYTES = 4;

/** Puts bytes in the place of others of the same length, wherever these are. */
export const replaceIn = (bytes: Buffer, from: Buffer, by: Buffer): void => {
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + from.length)) by.copy(bytes, at);
};
