import { once } from 'node:events';
import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventStoreDBClient, FORWARDS, jsonEvent, NO_STREAM, START, streamNameFilter } from '@eventstore/db-client';
import { built, Child } from '../processes.js';
import { tempFolder, type TempFolder } from '../temp-folder.js';
import { EventLog, RECENT_EVENTS } from './event-log.js';
import { eventIdIn } from './read-message.js';

const MAIN = built('test/support/eventstoredb-double/main.js');
const event = (id: number, text = 'x') => ({
  id: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
  type: 'Noted',
  contentType: 'application/json',
  metadata: Buffer.from('{}'),
  data: Buffer.from(JSON.stringify({ text })),
});

let folder: TempFolder;
beforeEach(async () => {
  folder = await tempFolder('double');
});
afterEach(() => folder.remove());

describe('the log of the double', () => {
  it('answers a repeat with the old revision and position, also of its beginning, after a restart, with other data', async () => {
    let log = new EventLog(folder.path, { sync: true });
    const append = { stream: 'a', expected: -1, events: [event(1), event(2), event(3)] };
    const first = await log.append(append);
    await log.append({ stream: 'a', expected: 2, events: [event(4)] });
    await log.close();
    log = new EventLog(folder.path, { sync: true });
    expect([0, 3].map((index) => log.typeAt(index))).toEqual([event(1).type, event(4).type]);
    expect(await log.append(append)).toEqual(first);
    expect(await log.append({ ...append, events: [event(1, 'other')] })).toMatchObject({
      status: 'written',
      revision: 0,
    });
    expect(await log.append({ ...append, events: [event(1), event(9)] })).toEqual({ status: 'conflict', actual: 3 });
    expect(await log.append({ ...append, events: [event(2), event(1)] })).toEqual({ status: 'conflict', actual: 3 });
    expect(await log.append({ stream: 'a', expected: 7, events: [event(9)] })).toEqual({
      status: 'conflict',
      actual: 3,
    });
    expect(log.size).toBe(4);
    await log.close();
  });

  it('gives each event as it was appended, whether it is still in memory or not', async () => {
    const log = new EventLog(folder.path, { sync: false });
    const count = 2 * RECENT_EVENTS + 1;
    const events = Array.from({ length: count }, (_, id) => event(id, id % 100 === 0 ? 'x'.repeat(5000) : 'x'));
    await log.append({ stream: 'a', expected: -1, events });
    for (const index of [0, 1, RECENT_EVENTS, RECENT_EVENTS + 1, count - 1, count - 1 - ((count - 1) % 100)])
      expect(eventIdIn(log.messageAt(index))).toBe(event(index).id);
    await log.close();
  });

  it('opens with whole appends only, however its file was cut or damaged', async () => {
    const log = new EventLog(folder.path, { sync: true });
    await log.append({ stream: 'a', expected: -1, events: [event(1), event(2)] });
    const whole = statSync(join(folder.path, 'events.log')).size;
    await log.append({ stream: 'b', expected: -1, events: [event(3), event(4)] });
    await log.close();
    const path = join(folder.path, 'events.log');
    const { length } = readFileSync(path);
    for (let end = length - 1; end > whole; end -= 37) {
      truncateSync(path, end);
      appendFileSync(path, Buffer.alloc(end % 2 === 0 ? 0 : 16));
      const reopened = new EventLog(folder.path, { sync: true });
      expect(reopened.size).toBe(2);
      const again = await reopened.append({ stream: 'b', expected: -1, events: [event(3), event(4)] });
      expect(again).toMatchObject({ status: 'written', revision: 1 });
      await reopened.close();
    }
  });
});

describe('the double as a process', () => {
  const start = async (...flags: readonly string[]): Promise<{ child: Child; url: string }> => {
    const args = ['--data-dir', folder.path, '--not-ready-ms', '0', ...flags];
    const child = new Child('the double', MAIN, { args });
    const [, url] = await child.printed(/listening on (\S+)/);
    return { child, url: url! };
  };

  it('serves its own client, keeps what it has answered through a kill, and does wrong as it is told', async () => {
    const { child, url } = await start();
    const client = EventStoreDBClient.connectionString(url);
    const noted = jsonEvent({ type: 'Noted', data: { text: 'one' } });
    const { success } = await client.appendToStream('run-a', noted, { expectedRevision: NO_STREAM });
    expect(success).toBe(true);
    const { port } = new URL(url.replace('esdb:', 'http:'));
    const refused = await fetch(`http://127.0.0.1:${port}/control/refuse?count=1`, { method: 'POST' });
    expect(refused.status).toBe(204);
    await expect(client.appendToStream('run-b', noted, { expectedRevision: NO_STREAM })).rejects.toThrow('Not Ready');
    child.kill();
    await child.exited();
    const next = await start('--port', port);
    const texts: unknown[] = [];
    const reader = EventStoreDBClient.connectionString(next.url);
    for await (const { event: read } of reader.readStream('run-a', { direction: FORWARDS, fromRevision: START })) {
      texts.push(read?.data);
    }
    expect(texts).toEqual([{ text: 'one' }]);
    const following = reader.subscribeToAll({ filter: streamNameFilter({ prefixes: ['run-'] }) });
    following.on('data', () => {});
    await once(following, 'caughtUp');
    await following.unsubscribe();
    await client.dispose();
    await reader.dispose();
    expect(await next.child.stop()).toBe(0);
  });
});
