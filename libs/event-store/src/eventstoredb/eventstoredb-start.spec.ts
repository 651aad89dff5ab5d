import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog, systemClock, type Log } from '#runtime';
import {
  EventStoreDbDouble,
  type DoubleOptions,
} from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { tempFolder, type TempFolder } from '../../../../test/support/temp-folder.js';
import { appendOf, follow, newScope, settled } from '../../testing/contract-cases.js';
import { LOG_START, NO_STREAM } from '../event-store.js';
import { EventStoreDbEventStore, type EventStoreDbOptions } from './eventstoredb-event-store.js';

let folder: TempFolder;
let double: EventStoreDbDouble;
let warned: string[];
let opened: EventStoreDbEventStore[];
const log: Log = { ...silentLog, warn: (message, fields) => void warned.push(`${message} ${JSON.stringify(fields)}`) };

const newStore = (options: Partial<EventStoreDbOptions> = {}): EventStoreDbEventStore => {
  const made = new EventStoreDbEventStore(systemClock, log, { url: double.url, ...options });
  opened.push(made);
  return made;
};

const startDouble = async (options: Partial<DoubleOptions> = {}): Promise<void> => {
  double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0, ...options });
  await double.start();
};

beforeEach(async () => {
  newScope();
  warned = [];
  opened = [];
  folder = await tempFolder('double');
});
afterEach(async () => {
  await Promise.all(opened.map((each) => each.stop()));
  await double.stop();
  await folder.remove();
});

describe('the start on EventStoreDB', () => {
  it('waits until the server is ready', async () => {
    await startDouble({ notReadyMs: 300 });
    const late = newStore();
    await late.start();
    expect(await late.head()).toBe(LOG_START);
  });

  it('says where it found nobody', async () => {
    await startDouble();
    const lost = newStore({ url: 'esdb://user:changeit@127.0.0.1:1?tls=false', startTimeoutMs: 300 });
    const failed = await lost.start().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'event-store-unreachable' });
    expect(String(failed)).toContain('cannot reach EventStoreDB at 127.0.0.1:1: ');
    expect(JSON.stringify(warned) + String(failed)).not.toContain('changeit');
  });

  it('shows no password of a connection string that the client does not understand', async () => {
    await startDouble();
    for (const url of ['esdb://admin:changeit@node:port?tls=false', 'esdb://admin:changeit?tls=false']) {
      const failed = await newStore({ url })
        .start()
        .catch((error: unknown) => error);
      expect(String(failed)).toContain('is not understood: at position');
      expect(String(failed) + JSON.stringify(failed)).not.toContain('changeit');
    }
    const doubtful = newStore({ url: `${double.url.replace('//', '//admin:changeit@')}&colour=blue` });
    await doubtful.start();
    expect(warned.join()).toContain('colour');
    expect(warned.join()).not.toContain('changeit');
  });

  it.each([
    ['22.6.0', 'is too old'],
    ['21.10.9', 'is too old'],
  ])('refuses a server of version %s', async (version, reason) => {
    await startDouble({ version });
    await expect(newStore().start()).rejects.toThrow(reason);
  });

  it('serves on 22.10, which does not say that a subscription has caught up', async () => {
    await startDouble({ version: '22.10.5' });
    const store = newStore();
    await store.start();
    await settled(store, appendOf('a', NO_STREAM, 'one'));
    const follower = follow(store, LOG_START);
    await follower.untilCaughtUp();
    expect(follower.texts()).toEqual(['one']);
    await follower.end();
  });

  it('warns of a server that was told to be careless, and of none that was not', async () => {
    await startDouble();
    await newStore().start();
    expect(warned).toEqual([]);
    await double.stop();
    await startDouble({ serverOptions: { UnsafeDisableFlushToDisk: 'True', MemDb: 'true' } });
    await newStore().start();
    expect(warned.join('\n')).toMatch(/does not flush to the disk[^]*|keeps everything in memory/);
    expect(warned).toHaveLength(2);
  });
});
