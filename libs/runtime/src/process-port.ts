import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The address of the process is taken, or not allowed: nothing has been opened yet. */
export class PortRefused extends Error {
  readonly code = 'port-refused';
  readonly retryable = false;
}

/**
 * The one port of a process. It is bound before anything else is opened, so that a port that is taken changes nothing; until
 * it is opened, requests are answered by who knows how far the start is.
 */
export class ProcessPort {
  #stopping: Promise<void> | null = null;

  constructor(
    private readonly server: Server,
    private readonly http: { readonly host: string; readonly port: number },
  ) {}

  /** Takes the port; requests go to `starting`. Throws `PortRefused`, which names the setting to change. */
  async bind(starting: RequestListener): Promise<void> {
    const { host, port } = this.http;
    this.open(starting);
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void => reject(refusal(cause, host, port));
      this.server.once('error', refuse).listen(port, host, () => {
        this.server.off('error', refuse);
        resolve();
      });
    });
  }

  /** From now on requests go to `listener`. */
  open(listener: RequestListener): void {
    this.server.removeAllListeners('request').on('request', listener);
  }

  /** Where it is bound. */
  get url(): string {
    // A TCP server has no other kind of address.
    const { port } = this.server.address() as AddressInfo;
    const { host } = this.http;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Idempotent. Requests under way are cut off. */
  stop(): Promise<void> {
    return (this.#stopping ??= new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    }));
  }
}

const refusal = (cause: Error & { readonly code?: string }, host: string, port: number): PortRefused => {
  switch (cause.code) {
    case 'EADDRINUSE':
      return new PortRefused(
        `Port ${port} of ${host} is taken by another process: stop it, or set STEPWELL_PORT to a free port.`,
        { cause },
      );
    case 'EACCES':
      return new PortRefused(`This user may not listen on port ${port}: set STEPWELL_PORT to one from 1024 on.`, {
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new PortRefused(`This machine has no address ${host}: set STEPWELL_HOST to one that it has.`, { cause });
    default:
      return new PortRefused(
        `Port ${port} of ${host} (STEPWELL_PORT, STEPWELL_HOST) cannot be listened on: ${cause.message}`,
        { cause },
      );
  }
};
