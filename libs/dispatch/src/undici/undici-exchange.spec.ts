import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#runtime';
import { classifyAnswer, classifyFault, type Verdict } from '../classify.js';
import { http, RawServer, writeThenReset, type Respond } from '../testing/raw-server.js';
import { HttpExchanges, type ExchangeOutcome } from './undici-exchange.js';

const LIMIT = 1_024;
const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const exchangesOf = (): HttpExchanges => {
  const exchanges = new HttpExchanges(systemClock, { answerMaxBytes: LIMIT, connectionsPerOriginMax: 1 });
  open.push(exchanges);
  return exchanges;
};

const serve = async (respond: Respond): Promise<{ server: RawServer; origin: string }> => {
  const server = new RawServer(respond);
  open.push(server);
  return { server, origin: await server.start() };
};

const outcomeOf = (exchanges: HttpExchanges, origin: string, connectMs = 2_000): Promise<ExchangeOutcome> =>
  new Promise((resolve) =>
    exchanges.begin({ origin, path: '/pay', method: 'POST', headers: [], body: '{}', connectMs }, () => true, resolve),
  );

const verdictOf = (outcome: ExchangeOutcome): Verdict => {
  if (outcome === 'not-begun') throw new Error('the exchange did not begin');
  return 'answer' in outcome ? classifyAnswer(outcome.answer, 0, LIMIT) : classifyFault(outcome.fault);
};

/** What one exchange with a server comes to that answers so. */
const attempt = async (respond: Respond): Promise<Verdict> =>
  verdictOf(await outcomeOf(exchangesOf(), (await serve(respond)).origin));

const lost = {
  succeeded: false,
  class: 'may-have-executed',
  retryable: true,
  error: { name: 'Stepwell.ConnectionLost' },
};

describe('an answer that was cut', () => {
  const TEXT = ['HTTP/1.1 200 OK', 'content-type: text/plain', 'connection: close'];
  const JSON_HEAD = ['HTTP/1.1 200 OK', 'content-type: application/json', 'connection: close'];

  it.each([
    ['text', TEXT, 'paid 100'],
    ['JSON that reads well', JSON_HEAD, '1000'],
    ['JSON that does not', JSON_HEAD, '[1,2'],
    ['no body at all', TEXT, ''],
    ['HTTP/1.0', ['HTTP/1.0 200 OK', 'content-type: text/plain'], 'paid 100'],
    ['a failure', ['HTTP/1.1 404 Not Found', 'connection: close'], 'no such'],
    ['a length not reached', [...TEXT, 'content-length: 20'], 'paid 100'],
    ['a length not reached, kept alive', [...TEXT.slice(0, 2), 'content-length: 20'], 'paid 100'],
    ['chunks without an end', [...TEXT, 'transfer-encoding: chunked'], '8\r\npaid 100\r\n'],
    ['chunks without an end, kept alive', [...TEXT.slice(0, 2), 'transfer-encoding: chunked'], '8\r\npaid 100\r\n'],
  ])('by a reset is lost: %s', async (_name, head, body) => {
    expect(await attempt((socket) => writeThenReset(socket, http(head, body)))).toMatchObject(lost);
  });

  it.each([
    ['a length not reached', [...TEXT, 'content-length: 20'], 'paid 100'],
    ['a length not reached, kept alive', [...TEXT.slice(0, 2), 'content-length: 20'], 'paid 100'],
    ['chunks without an end', [...TEXT, 'transfer-encoding: chunked'], '8\r\npaid 100\r\n'],
    ['chunks without an end, kept alive', [...TEXT.slice(0, 2), 'transfer-encoding: chunked'], '8\r\npaid 100\r\n'],
    ['a head without an end', ['HTTP/1.1 200 OK', 'content-type: te'].slice(0, 1), ''],
  ])('by the end of its connection is lost as well: %s', async (name, head, body) => {
    const bytes = name.startsWith('a head') ? head.join('\r\n') : http(head, body);
    expect(await attempt((socket) => void socket.end(bytes))).toMatchObject(lost);
  });

  it.each([
    ['text', TEXT, 'paid 100', '"paid 100"'],
    ['JSON', JSON_HEAD, '1000', '1000'],
    ['HTTP/1.0', ['HTTP/1.0 200 OK', 'content-type: text/plain'], 'paid 100', '"paid 100"'],
  ])('is not one that a clean end of the connection ends: %s', async (_name, head, body, output) => {
    expect(await attempt((socket) => void socket.end(http(head, body)))).toMatchObject({ succeeded: true, output });
  });

  it('is not one that was whole before the reset', async () => {
    let reset = (): unknown => undefined;
    const { origin } = await serve((socket) => {
      reset = () => socket.resetAndDestroy();
      socket.write(http([...JSON_HEAD.slice(0, 2), 'content-length: 4'], '1000'));
    });
    const outcome = await outcomeOf(exchangesOf(), origin);
    reset();
    expect(verdictOf(outcome)).toMatchObject({ succeeded: true, output: '1000' });
  });

  it('is lost as well when the connection is dropped here, without a word', async () => {
    const sockets: Socket[] = [];
    const connected = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket);
    subscribe('undici:client:connected', connected);
    const { server, origin } = await serve((socket) => void socket.write(http(TEXT, 'paid 100')));
    open.push({ stop: () => Promise.resolve(void unsubscribe('undici:client:connected', connected)) });
    const outcome = outcomeOf(exchangesOf(), origin);
    while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [socket] = sockets;
    while (socket!.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
    socket!.destroy();
    expect(verdictOf(await outcome)).toMatchObject(lost);
  });

  it('says nothing of the next one on a connection anew', async () => {
    const { server, origin } = await serve((socket) => {
      if (server.requests.length === 1) writeThenReset(socket, http(TEXT, 'paid'));
      else socket.end(http(TEXT, 'paid 100'));
    });
    const exchanges = exchangesOf();
    expect(verdictOf(await outcomeOf(exchanges, origin))).toMatchObject(lost);
    expect(verdictOf(await outcomeOf(exchanges, origin))).toMatchObject({ succeeded: true, output: '"paid 100"' });
  });
});

describe('an answer before the answer', () => {
  const OK = http(['HTTP/1.1 200 OK', 'content-type: application/json', 'content-length: 4'], '1000');
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
  const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n';

  it.each([
    ['100 that nobody asked for', CONTINUE + OK],
    ['100 twice, with fields', 'HTTP/1.1 100 Continue\r\nx-a: 1\r\n\r\n' + CONTINUE + OK],
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n' + OK],
    ['103', HINTS + OK],
    ['103, then 100', HINTS + CONTINUE + OK],
    ['199, of no known meaning', 'HTTP/1.1 199 Huh\r\n\r\n' + OK],
  ])('is passed over: %s', async (_name, bytes) => {
    expect(await attempt((socket) => void socket.write(bytes))).toMatchObject({ succeeded: true, output: '1000' });
  });

  it('is passed over however it is cut into packets, and the connection is used on', async () => {
    const { server, origin } = await serve((socket) => {
      const bytes = [...(CONTINUE + OK)];
      socket.setNoDelay(true);
      const write = (): void => {
        const next = bytes.shift();
        if (next !== undefined) socket.write(next, () => setImmediate(write));
      };
      write();
    });
    const exchanges = exchangesOf();
    for (let count = 1; count <= 3; count++) {
      expect(verdictOf(await outcomeOf(exchanges, origin))).toMatchObject({ succeeded: true, output: '1000' });
      expect(server.requests).toHaveLength(count);
    }
    expect(server.accepted).toBe(1);
  });

  it('but for 101, which nobody asked for, and which makes it something other than HTTP', async () => {
    const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
    for (const bytes of [upgrade, 'HTTP/1.1 101 Switching Protocols\r\n\r\n' + OK]) {
      expect(await attempt((socket) => void socket.write(bytes))).toMatchObject({
        class: 'may-have-executed',
        retryable: true,
        error: { name: 'Stepwell.InvalidAnswer' },
      });
    }
  });
});

describe('what is not HTTP', () => {
  it.each([
    ['the banner of SSH', 'SSH-2.0-OpenSSH_9.6\r\n', /Expected HTTP\//],
    ['an alert of TLS', '\x15\x03\x03\x00\x02\x02\x46', /Expected HTTP\//],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /Expected HTTP\//],
    ['settings of HTTP/2', '\x00\x00\x00\x04\x00\x00\x00\x00\x00', /Expected HTTP\//],
    ['HTTP/0.9', '<html>hello</html>', /Expected HTTP\//],
    ['a folded header', http(['HTTP/1.1 200 OK', 'x-a: 1', ' 2', 'content-type: text/plain']), /header/i],
    [
      'a length beside chunks',
      http(['HTTP/1.1 200 OK', 'content-length: 4', 'transfer-encoding: chunked'], '0\r\n\r\n'),
      /length/,
    ],
    ['two lengths', http(['HTTP/1.1 200 OK', 'content-length: 4', 'content-length: 5'], '1000'), /length/i],
    ['a length that is no number', http(['HTTP/1.1 200 OK', 'content-length: four'], '1000'), /length/i],
    ['a chunk that is none', http(['HTTP/1.1 200 OK', 'transfer-encoding: chunked'], 'x\r\n'), /chunk/i],
    ['a head of 20 kB', http(['HTTP/1.1 200 OK', `x-a: ${'a'.repeat(20_000)}`]), /header/i],
    ['a status of two digits', http(['HTTP/1.1 20 OK']), /status/i],
    ['a status below 100', http(['HTTP/1.1 099 Huh', 'content-length: 0']), /status/i],
  ])('is an invalid answer, with what the parser says, and tried again: %s', async (_name, bytes, words) => {
    const verdict = await attempt((socket) => void socket.write(bytes, 'latin1'));
    expect(verdict).toMatchObject({
      class: 'may-have-executed',
      retryable: true,
      error: { name: 'Stepwell.InvalidAnswer', cause: expect.stringMatching(words) },
    });
    expect(JSON.stringify(verdict)).not.toMatch(/undefined|HPE_|UND_ERR/);
  });
});

describe('an answer that failed', () => {
  const PAGE = `out of order\n${'x'.repeat(200_000)}`;
  const head = (status: string, ...more: string[]): string[] => [
    `HTTP/1.1 ${status}`,
    'content-type: text/plain',
    ...more,
  ];

  it.each([
    ['503 Service Unavailable', 'may-have-executed', true],
    ['404 Not Found', 'refused', false],
    ['302 Found', 'refused', false],
  ])(
    'is judged by its status though its body is longer than a payload: %s',
    async (status, attemptClass, retryable) => {
      for (const bytes of [
        http(head(status, `content-length: ${PAGE.length}`), PAGE),
        http(head(status, 'transfer-encoding: chunked'), `${PAGE.length.toString(16)}\r\n${PAGE}\r\n0\r\n\r\n`),
        http(head(status, 'connection: close'), PAGE),
        // It is not waited for what is not read.
        http(head(status, 'content-length: 1000000'), PAGE),
      ]) {
        expect(await attempt((socket) => void socket.write(bytes))).toMatchObject({
          class: attemptClass,
          retryable,
          error: { name: `HTTP.${status.slice(0, 3)}`, cause: 'out of order' },
          body: PAGE.slice(0, 4_096),
        });
      }
    },
  );

  it('is not read to an end that never comes: its connection is dropped', async () => {
    let dropped = (): void => undefined;
    const closed = new Promise<void>((resolve) => (dropped = resolve));
    const verdict = await attempt((socket) => {
      socket.on('close', dropped);
      const flood = (): void => void socket.write('x'.repeat(16_384), (error) => void (error ?? setImmediate(flood)));
      socket.write(http(head('503 No', 'connection: close')), flood);
    });
    expect(verdict).toMatchObject({ error: { name: 'HTTP.503' } });
    await closed;
  });

  it('leaves a connection that is good for the next when it was read whole', async () => {
    const { server, origin } = await serve(
      (socket) => void socket.write(http(head('503 No', 'content-length: 4'), 'busy')),
    );
    const exchanges = exchangesOf();
    for (let count = 0; count < 3; count++)
      expect(verdictOf(await outcomeOf(exchanges, origin))).toMatchObject({ error: { cause: 'busy' }, body: 'busy' });
    expect(server.accepted).toBe(1);
  });

  it('is not a result that is longer than a payload', async () => {
    for (const bytes of [
      http(head('200 OK', `content-length: ${PAGE.length}`), PAGE),
      http(head('200 OK', 'connection: close'), PAGE),
    ]) {
      expect(await attempt((socket) => void socket.write(bytes))).toMatchObject({
        class: 'may-have-executed',
        retryable: false,
        error: { name: 'Stepwell.PayloadTooLarge' },
      });
    }
  });
});

it('reads a list that comes in several lines', async () => {
  const encoded = ['HTTP/1.1 200 OK', 'content-encoding: identity', 'Content-Encoding: gzip', 'content-length: 1'];
  expect(await attempt((socket) => void socket.write(http(encoded, 'x')))).toMatchObject({
    error: { name: 'Stepwell.InvalidAnswer', cause: expect.stringContaining('gzip') },
  });
});

describe('a connection that is not to be had', () => {
  const refused = async (): Promise<string> => {
    const { server, origin } = await serve(() => undefined);
    await server.stop();
    return origin;
  };
  const unexecuted = { class: 'not-executed', retryable: true };

  it('is named by address and port: nobody listens', async () => {
    const origin = await refused();
    const { port } = new URL(origin);
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      const verdict = verdictOf(await outcomeOf(exchangesOf(), `http://${host}:${port}`));
      expect(verdict).toMatchObject({ ...unexecuted, error: { name: 'Stepwell.ConnectFailed' } });
      const cause = verdict.succeeded ? '' : verdict.error.cause;
      expect(cause).toContain(`no connection to ${host}:${port}: `);
      expect(cause).toMatch(/ECONNREFUSED (127\.0\.0\.1|::1):\d+|EADDRNOTAVAIL ::1:\d+/);
    }
  });

  it('is named by address and port: no such host, without a port of its own', async () => {
    expect(verdictOf(await outcomeOf(exchangesOf(), 'http://nowhere.invalid'))).toMatchObject({
      ...unexecuted,
      error: { cause: expect.stringMatching(/^no connection to nowhere\.invalid:80: getaddrinfo E/) },
    });
  });

  it('is named by address and port: what listens does not speak TLS', async () => {
    const server = new RawServer(
      () => undefined,
      (socket) => void socket.write('SSH-2.0-OpenSSH_9.6\r\n'),
    );
    open.push(server);
    const { host } = new URL(await server.start());
    expect(verdictOf(await outcomeOf(exchangesOf(), `https://${host}`))).toMatchObject({
      ...unexecuted,
      error: { name: 'Stepwell.ConnectFailed', cause: expect.stringContaining(`no connection to ${host}: `) },
    });
  });

  it('is given up after connectMs, to 50 ms', async () => {
    // It takes the connection, and never answers to the handshake.
    const { origin } = await serve(() => undefined);
    const { port } = new URL(origin);
    const began = performance.now();
    const verdict = verdictOf(await outcomeOf(exchangesOf(), `https://127.0.0.1:${port}`, 300));
    const tookMs = performance.now() - began;
    expect(verdict).toMatchObject({
      ...unexecuted,
      error: {
        name: 'Stepwell.Timeout',
        cause: `no connection to 127.0.0.1:${port}: it took longer than 300 ms (connectMs)`,
      },
    });
    expect(tookMs).toBeGreaterThanOrEqual(299);
    expect(tookMs).toBeLessThan(350);
  });

  it('is not one that was there in time, when the process stood still and saw it late', async () => {
    const { origin } = await serve((socket) => void socket.write(http(['HTTP/1.1 204 No Content'])));
    // From here on timers come before sockets.
    await new Promise((resolve) => setImmediate(resolve));
    const outcome = outcomeOf(exchangesOf(), origin, 50);
    for (const began = performance.now(); performance.now() - began < 100;);
    expect(verdictOf(await outcome)).toMatchObject({ succeeded: true });
  });

  it('is waited for no longer once the exchanges stop', async () => {
    const { origin } = await serve(() => undefined);
    const exchanges = new HttpExchanges(systemClock, { answerMaxBytes: LIMIT, connectionsPerOriginMax: 1 });
    const outcome = outcomeOf(exchanges, origin.replace('http:', 'https:'), 600_000);
    await exchanges.stop();
    expect(verdictOf(await outcome)).toMatchObject(unexecuted);
  });
});

it('does not send what cannot be written as HTTP, and tells so after it has begun', async () => {
  const exchanges = exchangesOf();
  const { server, origin } = await serve((socket) => void socket.write(http(['HTTP/1.1 204 No Content'])));
  let begun = false;
  const outcome = await new Promise<ExchangeOutcome>((resolve) => {
    const request = { origin, path: '/', method: 'POST', body: '', connectMs: 500 } as const;
    exchanges.begin(
      { ...request, headers: ['x-a', 'a\nb'] },
      () => true,
      (came) => {
        expect(begun).toBe(true);
        resolve(came);
      },
    );
    begun = true;
  });
  expect(verdictOf(outcome)).toMatchObject({
    class: 'not-executed',
    retryable: false,
    error: { name: 'Stepwell.InvalidRequest', cause: expect.stringContaining('x-a') },
  });
  expect(server.requests).toEqual([]);
});
