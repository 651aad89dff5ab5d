import { connect } from 'node:net';

export type RawAnswer = {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
  readonly closed: boolean;
};

/** Sends bytes as they are, in parts if need be, and gives back what came until the end or a quiet spell. */
export const sendRaw = (
  url: string,
  parts: readonly (string | Buffer)[],
  { quietMs = 40, limitMs = 8_000 } = {},
): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    let text = '';
    let closed = false;
    let quiet: NodeJS.Timeout | null = null;
    const finish = (): void => {
      if (quiet !== null) clearTimeout(quiet);
      clearTimeout(limit);
      socket.destroy();
      const [head = '', body = ''] = text.split(/\r\n\r\n([\s\S]*)/, 2);
      resolve({
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
        headers: head.toLowerCase(),
        body,
        closed,
      });
    };
    const limit = setTimeout(finish, limitMs);
    socket.on('connect', () => {
      for (const part of parts) socket.write(part);
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      if (quiet !== null) clearTimeout(quiet);
      quiet = setTimeout(finish, quietMs);
    });
    socket.on('close', () => {
      closed = true;
      finish();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A peer that closes on us is an answer as well.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
  });
