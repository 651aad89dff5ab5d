import { afterEach, expect, it } from '@jest/globals';
import { EventStoreDbEventStore } from '#event-store';
import { silentLog, systemClock, type Log, type LogFields } from '#runtime';
import { EventStoreDbDouble } from '../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { eventually, pause } from '../../../test/support/pause.js';
import { tempFolder, type TempFolder } from '../../../test/support/temp-folder.js';
import { newEngine, stopEngines, typesOf } from './testing/engine-world.js';

const BEGUN = ['RunStarted'];

let folder: TempFolder;
let double: EventStoreDbDouble;
let store: EventStoreDbEventStore;
afterEach(async () => {
  double.faults.thaw();
  await stopEngines();
  await store.stop();
  await double.stop();
  await folder.remove();
});

it('spares an EventStoreDB that stands still, and has in its log once whatever it was sent when it goes on', async () => {
  folder = await tempFolder('outage');
  double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0 });
  await double.start();
  const lines: LogFields[] = [];
  const warn = (_message: string, fields: LogFields = {}): void => void lines.push(fields);
  const log: Log = { ...silentLog, warn, error: warn };
  store = new EventStoreDbEventStore(systemClock, log, { url: double.url, appendTimeoutMs: 200, readPatienceMs: 400 });
  const { begin, engine } = await newEngine(null, store, { log, sharedLog: true });
  await begin('before');
  double.faults.freeze();
  const sent = Array.from({ length: 100 }, (_, index) => begin(`sent ${index}`));
  await pause(1_500);
  const unknown = engine.counts.appends.unknown;
  const held = Array.from({ length: 400 }, (_, index) => begin(`held ${index}`));
  await pause(1_500);
  // Those that were on their way when it stopped, and one at a time since.
  expect([unknown, engine.counts.appends.unknown <= unknown + 3]).toEqual([100, true]);
  expect(lines.length).toBeLessThan(8);
  expect(lines.filter((fields) => 'err' in fields)).toEqual([]);
  double.faults.thaw();
  const replies = await Promise.all([...sent, ...held]);
  // None of them fell on its own second attempt, that would be a replay; who waited for 5 s was told so.
  for (const { status } of replies) expect(['started', 'unavailable']).toContain(status);
  await eventually('nothing held', async () => (engine.counts.appendsHeld() === 0 ? true : null));
  for (let index = 0; index < 100; index++) expect(await typesOf(store, `sent ${index}`)).toEqual(BEGUN);
  for (const [index, { status }] of replies.slice(100).entries())
    if (status === 'started') expect(await typesOf(store, `held ${index}`)).toEqual(BEGUN);
}, 30_000);
