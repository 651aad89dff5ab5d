import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from './pause.js';
import { FaultProxy, framed, replaceIn } from './fault-proxy.js';

let echo: Server;
let proxy: FaultProxy;
const sockets: Socket[] = [];
beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  proxy = await new FaultProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port }).start();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.stop();
  await new Promise<void>((resolve) => echo.close(() => resolve()));
});

type Client = { readonly socket: Socket; said: string; closed: boolean };
const client = (): Client => {
  const made: Client = { socket: connect(proxy.port, '127.0.0.1'), said: '', closed: false };
  sockets.push(made.socket);
  made.socket.on('data', (chunk) => (made.said += chunk.toString()));
  made.socket.on('error', () => {});
  made.socket.on('close', () => (made.closed = true));
  return made;
};
const said = (who: Client, text: string) => eventually(text, async () => (who.said === text ? true : null), 5_000);
const closed = (who: Client) => eventually('a close', async () => (who.closed ? true : null), 5_000);
/** Goes to the server and back past the proxy: what the proxy let through before has arrived by then. */
const roundTrips = async (): Promise<void> => {
  for (let trip = 0; trip < 3; trip++) {
    const direct = connect((echo.address() as AddressInfo).port, '127.0.0.1');
    direct.write('x');
    await new Promise<void>((resolve) => direct.once('data', () => resolve()));
    direct.destroy();
  }
};

describe('FaultProxy', () => {
  it('passes bytes both ways', async () => {
    const one = client();
    one.socket.write('hello');
    await said(one, 'hello');
  });

  it('ends connections when cut, refuses others, and takes them at the same port when healed', async () => {
    const one = client();
    one.socket.write('a');
    await said(one, 'a');
    await proxy.cut();
    await closed(one);
    await closed(client());
    await proxy.heal();
    const two = client();
    two.socket.write('b');
    await said(two, 'b');
  });

  it('holds everything back while stalled, of new connections too, and loses nothing of it', async () => {
    const one = client();
    one.socket.write('a');
    await said(one, 'a');
    proxy.stall();
    const two = client();
    one.socket.write('b');
    two.socket.write('c');
    await roundTrips();
    expect([one.said, two.said, one.closed, two.closed]).toEqual(['a', '', false, false]);
    await proxy.heal();
    await Promise.all([said(one, 'ab'), said(two, 'c')]);
  });
});

describe('framed', () => {
  const frame = (text: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(text.length);
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const bytes = Buffer.concat(['a needle', '', 'needneedle', 'n'].map(frame));
  const changed = Buffer.concat(['a NEEDLE', '', 'needNEEDLE', 'n'].map(frame));

  it.each([1, 2, 3, 5, 7, 11, 100])(
    'changes whole messages out of chunks of %i bytes, and holds back no whole one',
    (size) => {
      const rewrite = framed((message) => replaceIn(message, Buffer.from('needle'), Buffer.from('NEEDLE')));
      const out: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) out.push(Buffer.from(rewrite(bytes.subarray(at, at + size))));
      expect(Buffer.concat(out).equals(changed)).toBe(true);
    },
  );
});
