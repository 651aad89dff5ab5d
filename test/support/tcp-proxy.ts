import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, of this machine if no other is named, and does to their connections what networks do. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  /** New connections are closed at once. */
  refusing = false;

  constructor(targetPort: number, targetHost = '127.0.0.1') {
    this.#server = createServer((client) => {
      if (this.refusing) return void client.destroy();
      const server = connect(targetPort, targetHost);
      const pair = [client, server] as const;
      this.#pairs.add(pair);
      for (const socket of pair) {
        // What was written in one piece is passed on at once: a proxy must not add the 40 ms of a delayed acknowledgement.
        socket.setNoDelay(true);
        // One side that ends or breaks takes the other along.
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#pairs.delete(pair);
          for (const each of pair) each.destroy();
        });
      }
      client.pipe(server).pipe(client);
    });
  }

  get port(): number {
    // A server that listens on a port has an address of this type.
    return (this.#server.address() as AddressInfo).port;
  }

  start(port = 0): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  /** The connections there are stay open and carry nothing any more; new ones do. */
  stall(): void {
    for (const [client, server] of this.#pairs) {
      client.unpipe().pause();
      server.unpipe().pause();
    }
  }

  /** Breaks the connections there are. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }
}
