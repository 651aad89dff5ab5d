import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What the server does with a whole request; `request` is its text. */
export type Respond = (socket: Socket, request: string) => void;

/** A server that writes what a test says, byte by byte, HTTP or not. */
export class RawServer {
  readonly requests: string[] = [];
  /** Connections so far. */
  accepted = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(
    private readonly respond: Respond,
    private readonly greet: (socket: Socket) => void = () => undefined,
  ) {
    this.server = createServer((socket) => this.accept(socket));
  }

  /** Its origin. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    // Of a server that listens on TCP.
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    this.accepted += 1;
    this.sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    this.greet(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (let length = lengthOf(text); length !== null; length = lengthOf(text)) {
        const request = text.slice(0, length);
        text = text.slice(length);
        this.requests.push(request);
        this.respond(socket, request);
      }
    });
  }
}

/** Of the first request in a text; `null`: it is not whole yet. */
const lengthOf = (text: string): number | null => {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return null;
  const length = head + 4 + Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
  return text.length < length ? null : length;
};

/** An answer's text: head and body by lines as they go over the wire. */
export const http = (head: readonly string[], body = ''): string => `${head.join('\r\n')}\r\n\r\n${body}`;

/** Writes bytes, and breaks the connection off once they have left. */
export const writeThenReset = (socket: Socket, bytes: string): void => {
  socket.write(bytes, 'latin1', () => socket.resetAndDestroy());
};
