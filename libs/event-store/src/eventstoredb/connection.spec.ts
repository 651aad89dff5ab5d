import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { silentLog, systemClock } from '#runtime';
import { Connection } from './connection.js';

it('lets the server send a mebibyte ahead, in one call and in all', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const called = once(server, 'stream');
  const connection = new Connection(
    `esdb://127.0.0.1:${(server.address() as AddressInfo).port}?tls=false`,
    0,
    silentLog,
  );
  const asked = connection.version(systemClock.nowMs() + 5_000).catch((error: Error) => error);
  const [stream] = (await called) as [ServerHttp2Stream];
  const { remoteSettings, state } = stream.session!;
  expect(remoteSettings.initialWindowSize).toBe(1024 * 1024);
  expect(state.remoteWindowSize).toBe(1024 * 1024);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
  expect(await asked).toBeInstanceOf(Error);
  await connection.close();
  server.close();
});
