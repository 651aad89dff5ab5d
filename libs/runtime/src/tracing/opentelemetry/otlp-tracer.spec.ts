import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../log.js';
import { OtlpTracer } from './otlp-tracer.js';

describe('the tracer at a stop', () => {
  let server: Server;
  let sockets: Socket[];
  let url: string;
  /** What a collector does with whoever connects to it. */
  let take: (socket: Socket) => void;
  beforeEach(async () => {
    sockets = [];
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      take(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  /** What has been said when a process with one span has stopped. */
  const saidByStop = async (): Promise<readonly string[]> => {
    const lines: string[] = [];
    const said = (line: string): void => void lines.push(line);
    const tracer = new OtlpTracer(url, 'test', { ...silentLog, info: said, warn: said, error: said });
    tracer.begin({ name: 'POST /v1/runs', kind: 'server', parent: null, attributes: {} }).end({});
    await tracer.stop();
    // The process ends here: what is said later is not read.
    return [...lines];
  };
  const LOST = ['spans do not reach their collector; they are lost'];

  it('says that the last spans are lost when the collector takes them and is silent', async () => {
    take = (socket) => void socket.resume();
    expect(await saidByStop()).toEqual(LOST);
  });

  it('says so when the collector ends every connection', async () => {
    take = (socket) => void socket.destroy();
    expect(await saidByStop()).toEqual(LOST);
  });
});
