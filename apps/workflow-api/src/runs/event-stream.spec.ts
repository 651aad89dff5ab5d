import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { LOG_START, MemoryEventStore, NO_STREAM } from '#event-store';
import type { EventStore, RecordedEvent, Revision } from '#event-store';
import { systemClock } from '#runtime';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { streamEvents } from './event-stream.js';
import { placeOf, type RunPlace } from './run-reads.js';

let api: TestApi;
let run: RunPlace;
beforeAll(async () => {
  api = await startTestApi();
  api.owner.held.add('create-user');
  const headers = { 'content-type': 'application/json', 'idempotency-key': 'k' };
  const response = await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: '{"workflow":"welcome"}' });
  const { id } = (await response.json()) as any;
  const loaded = (await api.engine.load(id))!;
  run = placeOf(loaded.run, loaded.position);
});
afterAll(() => api.stop());

const serving = async (
  handle: (response: ServerResponse) => Promise<void>,
  use: (port: number) => Promise<void>,
): Promise<void> => {
  const handled: Promise<void>[] = [];
  const server: Server = createServer((_request, response) => {
    response.writeHead(200);
    handled.push(handle(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await use((server.address() as AddressInfo).port);
  await Promise.all(handled);
  await new Promise((resolve) => server.close(resolve));
};

describe('streamEvents', () => {
  it('shows that it is still there while nothing happens, and stops when told', async () => {
    const stopping = new AbortController();
    const limits = { heartbeatMs: 20, stalledMs: 1_000 };
    await serving(
      (response) => streamEvents(api.store, systemClock, response, { run, from: 0, signal: stopping.signal, limits }),
      async (port) => {
        const { body } = await fetch(`http://127.0.0.1:${port}`);
        let text = '';
        // Told by what has come, not by a clock: on a busy machine the first line may come late.
        for await (const part of body!.pipeThrough(new TextDecoderStream())) {
          text += part;
          if (text.split(': still here\n').length > 2) stopping.abort();
        }
        expect(text.match(/^: still here$/gm)!.length).toBeGreaterThanOrEqual(2);
        expect(text.match(/^id: /gm)).toHaveLength(3);
      },
    );
  });

  it('goes on past an end that was not the last, and ends after the one that is', async () => {
    const store = new MemoryEventStore();
    const append = (expected: number, ...types: string[]): Promise<unknown> =>
      new Promise((resolve) =>
        store.append(
          {
            stream: run.stream,
            // Brands.
            expected: (expected < 0 ? NO_STREAM : expected) as Revision,
            events: types.map((type) => ({ type, v: 1, data: '{}' })),
            envelope: {
              commandId: types.join(),
              recordedAt: '2026-01-01T00:00:00.000Z',
              actor: null,
              traceparent: null,
            },
          },
          resolve,
        ),
      );
    await append(-1, 'RunStarted', 'RunFailed', 'RunRetried');
    const signal = new AbortController().signal;
    await serving(
      (response) =>
        streamEvents(store, systemClock, response, { run: { ...run, position: LOG_START }, from: 0, signal }),
      async (port) => {
        const response = await fetch(`http://127.0.0.1:${port}`);
        let text = '';
        for await (const chunk of response.body!) {
          text += Buffer.from(chunk).toString();
          if (text.endsWith('\n\n') && /^id: 2$/m.test(text) && !/^id: 3$/m.test(text)) {
            await append(2, 'RunFailed', 'RunRetried');
            await append(4, 'RunCompleted');
          }
        }
        expect(text.match(/^id: .*$/gm)).toEqual([0, 1, 2, 3, 4, 5].map((revision) => `id: ${revision}`));
      },
    );
  });

  it('drops a client that takes nothing any more, and keeps little for it', async () => {
    const event = {
      type: 'StepEntered',
      revision: 0,
      position: 1,
      data: JSON.stringify({ text: 'x'.repeat(100_000) }),
    } as unknown as RecordedEvent;
    let reads = 0;
    const endless = {
      readStream: async () => {
        reads += 1;
        return Array.from({ length: 500 }, (_, index) => ({ ...event, revision: reads * 500 + index }));
      },
    } as unknown as EventStore;
    const limits = { heartbeatMs: 10_000, stalledMs: 100 };
    const signal = new AbortController().signal;
    let dropped = false;
    await serving(
      async (response) => {
        await streamEvents(endless, systemClock, response, { run, from: 0, signal, limits });
        dropped = response.destroyed;
      },
      async (port) => {
        const socket = connect(port, '127.0.0.1').pause();
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
        for (let waitedMs = 0; !dropped && waitedMs < 5_000; waitedMs += 50) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        expect(dropped).toBe(true);
        socket.destroy();
      },
    );
    expect(reads).toBeLessThan(3);
  });
});
