import assert from 'node:assert';
import type { Socket } from 'node:net';
import { buildConnector, errors } from 'undici';
import type { Clock } from '#runtime';

/** Opens the connections of undici's pools, each within its time, and tells an end of one from a break. */
export class Connections {
  /**
   * True while undici hears that a connection broke. An answer without a length ends with its connection, and undici
   * takes a reset for such an end: what it calls whole just then was cut.
   */
  breaking = false;
  private readonly opening = new Set<Socket>();
  private readonly breaks = (): void => void (this.breaking = true);
  private readonly broke = (): void => void (this.breaking = false);

  constructor(private readonly clock: Clock) {}

  /** For one pool. A connection that is not there after `connectMs`, its handshake included, is given up. */
  connector(connectMs: number): buildConnector.connector {
    // No time limit of undici's: its timer is coarse, and makes a second of 300 ms.
    const connect = buildConnector({ timeout: 0, allowH2: false });
    return (options, callback) => {
      // undici's types hide that it returns what it opens.
      const opening = connect(options, (error, socket) => {
        cancel();
        this.opening.delete(opening);
        if (error !== null) return callback(unconnected(error, options), null);
        this.watch(socket, () => callback(null, socket));
        passOverContinue(socket);
      }) as unknown as Socket;
      this.opening.add(opening);
      const cancel = this.clock.after(connectMs, () => {
        // After a stall of the process a connection may be there that nobody has seen yet: sockets are looked at first.
        setImmediate(() => {
          if (this.opening.has(opening)) opening.destroy(tooSlow(opening, connectMs));
        });
      });
    };
  }

  /** Gives up what is not open yet; undici ends the others. */
  stop(): void {
    for (const socket of this.opening) socket.destroy(new errors.ClientDestroyedError());
  }

  /** Stands before and behind the listeners of undici, which `handOver` adds. */
  private watch(socket: Socket, handOver: () => void): void {
    socket.on('error', this.breaks).on('close', this.breaks);
    handOver();
    socket.on('error', this.broke).on('close', this.broke);
  }
}

const tooSlow = (socket: Socket, connectMs: number): Error => {
  // Only there when the name had several addresses, whatever its type says.
  const tried: unknown = socket.autoSelectFamilyAttemptedAddresses;
  const addresses = Array.isArray(tried) ? `, tried ${tried.join(', ')}` : '';
  return new errors.ConnectTimeoutError(`it took longer than ${connectMs} ms (connectMs)${addresses}`);
};

/** Why there is no connection, with address and port, which few errors of sockets and none of TLS name. */
const unconnected = (error: Error, { hostname, port, protocol }: buildConnector.Options): Error => {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  const at = `${host}:${port || (protocol === 'https:' ? '443' : '80')}`;
  const words = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message;
  const named = new Error(`no connection to ${at}: ${words || codeOf(error) || error.name}`, { cause: error });
  return Object.assign(named, { code: codeOf(error) });
};

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');

type OnHeadersComplete = (status: number, ...rest: unknown[]) => number;
type ParserClass = { onHeadersComplete: OnHeadersComplete };
let patched: ParserClass | null = null;

/**
 * Lets undici pass over a `100 Continue` that it did not ask for, as RFC 9110 (15.2) wants of a client. It takes one for
 * a fault of the peer, but passes over every other 1xx: to its parser, which is nowhere to be had but on a socket, a 100
 * is a 102.
 */
const passOverContinue = (socket: Socket): void => {
  if (patched !== null) return;
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'parser');
  const parser: unknown = key === undefined ? null : Reflect.get(socket, key);
  // Null when the connection ended as it came.
  if (parser === null || typeof parser !== 'object') return;
  // What `client-h1.js` of this version of undici makes; the spec sees it change.
  const parserClass = Object.getPrototypeOf(parser) as ParserClass;
  const { onHeadersComplete } = parserClass;
  assert(typeof onHeadersComplete === 'function', 'undici has another parser');
  parserClass.onHeadersComplete = function (status, ...rest) {
    return onHeadersComplete.call(this, status === 100 ? 102 : status, ...rest);
  };
  patched = parserClass;
};
