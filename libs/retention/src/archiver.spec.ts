import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { StartReply } from '#engine';
import {
  decodeRunEvent,
  MemoryEventStore,
  PAGE_EVENTS_MAX,
  runStream,
  SqliteEventStore,
  type AppendOutcome,
  type Envelope,
  type EventStore,
  type NewEvent,
  type Revision,
  type StreamName,
} from '#event-store';
import { armFailpoint, instantOf, silentLog, systemClock, systemEntropy, type Clock } from '#runtime';
import {
  newEngine,
  runIdOf,
  start,
  stopEngines,
  typesOf,
  NOBODY,
  TWO_STEPS,
} from '../../engine/src/testing/engine-world.js';
import { appendDuplicate, appendRun } from '../../engine/src/testing/finished-runs.js';
import { verifyArchive } from './archive-reader.js';
import { Archiver } from './archiver.js';
import { readManifest } from './manifest.js';
import { runsOfArchive } from './testing/runs-of-archive.js';

const NOW = Date.parse('2026-02-01T12:00:00.000Z');
const OLD = '2026-01-01T00:00:00.000Z';
const HOUR_MS = 3_600_000;
const GO_ON = new AbortController().signal;

let root: string;
let folder: string;
let archivers: Archiver[] = [];
beforeEach(() => {
  nowMs = NOW;
  root = mkdtempSync(join(tmpdir(), 'stepwell-archive-'));
  folder = join(root, 'archive');
});
afterEach(async () => {
  for (const archiver of archivers.splice(0)) await archiver.stop();
  await stopEngines();
  rmSync(root, { recursive: true });
});

let nowMs = NOW;
const clock: Clock = { ...systemClock, nowMs: () => nowMs, now: () => instantOf(nowMs) };
const newArchiver = (store: EventStore): Archiver => {
  const options = { folder, ageMs: HOUR_MS, runsPerSecond: 1_000_000 };
  const archiver = new Archiver(store, clock, systemEntropy, silentLog, options);
  archivers.push(archiver);
  return archiver;
};
const newStore = async (): Promise<MemoryEventStore> => {
  const store = new MemoryEventStore();
  await store.start();
  return store;
};

const runsIn = (file: string) => runsOfArchive(join(folder, file));
const stubOf = async (store: EventStore, key: string) => {
  const events = await store.readStream(runStream(runIdOf(key)));
  expect(events).toHaveLength(1);
  const [{ type, v, data, revision }] = events as [(typeof events)[0]];
  return { event: decodeRunEvent(type, v, data), revision };
};
const FOUR = ['RunStarted', 'AttemptSucceeded', 'AttemptSucceeded', 'RunCompleted'];

describe('the archiver', () => {
  it('moves a finished run past its age into the file of the day, and leaves a stub that names it', async () => {
    const store = await newStore();
    await appendRun(store, 'a', { at: OLD });
    expect(await newArchiver(store).archiveDue(GO_ON)).toBe(1);
    const file = 'runs-2026-02-01.ndjson.gz';
    expect(await runsIn(file)).toEqual({ a: FOUR });
    const { timeoutMs: _t, type: _type, ...command } = start('a');
    const { id, key, workflow, version, plan, namespace, fingerprint } = command;
    expect(await stubOf(store, 'a')).toEqual({
      revision: 4,
      event: {
        ...{ type: 'RunArchived', id, key, workflow, version, plan, namespace, fingerprint },
        ...{ status: 'completed', startedAt: OLD, finishedAt: OLD, events: 4, file },
      },
    });
    const { files } = await readManifest(folder);
    expect(files).toMatchObject([{ file, runs: 1, events: 4 }]);
  });

  it('keeps what is younger than the age, and what has not ended', async () => {
    const store = await newStore();
    await appendRun(store, 'open', { at: OLD, ended: false });
    await appendRun(store, 'old', { at: OLD });
    await appendRun(store, 'young', { at: instantOf(NOW - HOUR_MS + 1) });
    const archiver = newArchiver(store);
    expect(await archiver.archiveDue(GO_ON)).toBe(1);
    expect(await typesOf(store, 'open')).toEqual(FOUR.slice(0, 3));
    expect(await typesOf(store, 'young')).toEqual(FOUR);
    nowMs += 1;
    expect(await archiver.archiveDue(GO_ON)).toBe(1);
    await stubOf(store, 'young');
  });

  it('keeps a run that something followed its end', async () => {
    const store = await newStore();
    await appendRun(store, 'a', { at: OLD });
    await appendRun(store, 'b', { at: OLD });
    await appendDuplicate(store, 'b', 3, OLD);
    await new Promise((settle) =>
      store.append(
        {
          stream: runStream(runIdOf('a')),
          expected: 3 as Revision,
          events: [{ type: 'RunOpenedAgain', v: 1, data: '{}' }],
          envelope: { commandId: 'x', recordedAt: OLD, actor: null, traceparent: null },
        },
        settle,
      ),
    );
    expect(await newArchiver(store).archiveDue(GO_ON)).toBe(1);
    expect((await typesOf(store, 'a')).at(-1)).toBe('RunOpenedAgain');
    expect(await stubOf(store, 'b')).toMatchObject({ revision: 5, event: { events: 5 } });
  });

  it('writes a run again that was added to after it was read, and tells of the later one', async () => {
    class Moving extends MemoryEventStore {
      override async archive(...given: [StreamName, Revision, NewEvent, Envelope]): Promise<AppendOutcome> {
        if (given[1] === 3) await appendDuplicate(this, 'a', 3, OLD);
        return super.archive(...given);
      }
    }
    const store = new Moving();
    await appendRun(store, 'a', { at: OLD });
    expect(await newArchiver(store).archiveDue(GO_ON)).toBe(1);
    expect(await stubOf(store, 'a')).toMatchObject({ revision: 5, event: { events: 5 } });
    expect(await runsIn('runs-2026-02-01.ndjson.gz')).toEqual({ a: [...FOUR, 'DuplicateStartsSeen'] });
  });

  it('asks for an archive again whose history still shows before the stub', async () => {
    const asked: unknown[][] = [];
    class Late extends MemoryEventStore {
      override archive(...given: [StreamName, Revision, NewEvent, Envelope]): Promise<AppendOutcome> {
        asked.push(given);
        const [stream, expected, stub, envelope] = given;
        return new Promise((settle) => this.append({ stream, expected, events: [stub], envelope }, settle));
      }
    }
    const store = new Late();
    await appendRun(store, 'a', { at: OLD });
    const archiver = newArchiver(store);
    await archiver.archiveDue(GO_ON);
    rmSync(join(folder, 'checkpoint.json'));
    expect(await archiver.archiveDue(GO_ON)).toBe(0);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toEqual(asked[0]);
  });

  it('goes on in the file of the day after a stop in good order, and begins a file with a day', async () => {
    const store = await newStore();
    for (const [key, hours] of Object.entries({ a: 0, b: 2, c: 24 })) {
      nowMs = NOW + hours * HOUR_MS;
      await appendRun(store, key, { at: instantOf(nowMs - HOUR_MS) });
      const archiver = newArchiver(store);
      expect(await archiver.archiveDue(GO_ON)).toBe(1);
      await archiver.stop();
    }
    expect(await runsIn('runs-2026-02-01.ndjson.gz')).toEqual({ a: FOUR, b: FOUR });
    expect(await runsIn('runs-2026-02-02.ndjson.gz')).toEqual({ c: FOUR });
    // Any tool that knows gzip reads it.
    expect(
      gunzipSync(readFileSync(join(folder, 'runs-2026-02-01.ndjson.gz')))
        .toString()
        .split('\n'),
    ).toHaveLength(11);
  });

  it('writes no more once another archiver has the folder', async () => {
    const store = await newStore();
    const finishRun = async (key: string): Promise<void> => {
      nowMs += 2 * HOUR_MS;
      await appendRun(store, key, { at: instantOf(nowMs - HOUR_MS) });
    };
    const first = newArchiver(store);
    await finishRun('a');
    await first.archiveDue(GO_ON);
    await finishRun('b');
    // As on a network file system that keeps no locks.
    rmSync(join(folder, 'archive.lock'));
    await newArchiver(store).archiveDue(GO_ON);
    await finishRun('c');
    await expect(first.archiveDue(GO_ON)).rejects.toMatchObject({ code: 'archive-taken' });
    expect(await typesOf(store, 'c')).toEqual(FOUR);
    const { files } = await readManifest(folder);
    expect(files.map(({ file, runs }) => [file, runs])).toEqual([
      ['runs-2026-02-01.ndjson.gz', 1],
      ['runs-2026-02-01-2.ndjson.gz', 1],
    ]);
  });

  it('is refused a folder that another archiver has, and goes on once that has stopped', async () => {
    const store = await newStore();
    await appendRun(store, 'a', { at: OLD });
    const first = newArchiver(store);
    await first.archiveDue(GO_ON);
    await appendRun(store, 'b', { at: OLD });
    nowMs += 2 * HOUR_MS;
    const second = newArchiver(store);
    const before = readFileSync(join(folder, 'manifest.json'), 'utf8');
    await expect(second.archiveDue(GO_ON)).rejects.toMatchObject({ code: 'file-locked' });
    expect(readFileSync(join(folder, 'manifest.json'), 'utf8')).toBe(before);
    await first.stop();
    expect(await second.archiveDue(GO_ON)).toBe(1);
  });

  it('leaves no trace in the file of runs that the store failed to hand over', async () => {
    class Failing extends MemoryEventStore {
      failing = true;
      override readPages(stream: StreamName) {
        if (this.failing && stream === runStream(runIdOf('b'))) throw new Error('the store is away');
        return super.readPages(stream);
      }
    }
    const store = new Failing();
    await appendRun(store, 'a', { at: OLD, events: 500 });
    await appendRun(store, 'b', { at: OLD });
    const archiver = newArchiver(store);
    await expect(archiver.archiveDue(GO_ON)).rejects.toThrow('the store is away');
    expect(await typesOf(store, 'a')).toHaveLength(500);
    store.failing = false;
    expect(await archiver.archiveDue(GO_ON)).toBe(2);
    expect(Object.keys(await runsIn('runs-2026-02-01.ndjson.gz'))).toEqual(['a', 'b']);
  });

  it('reads a very long run in pages, and never holds it as a whole', async () => {
    const pages: number[] = [];
    class Counting extends MemoryEventStore {
      override async *readPages(stream: StreamName) {
        for await (const page of super.readPages(stream)) {
          pages.push(page.length);
          yield page;
        }
      }
    }
    const store = new Counting();
    await appendRun(store, 'long', { at: OLD, events: 20_000 });
    expect(await newArchiver(store).archiveDue(GO_ON)).toBe(1);
    // An append has 256 events at most.
    expect(Math.max(...pages)).toBeLessThan(PAGE_EVENTS_MAX + 256);
    expect((await runsIn('runs-2026-02-01.ndjson.gz'))['long']).toHaveLength(20_000);
  });
});

describe('an archived run', () => {
  const startAgain = async (store: EventStore, fingerprint: string): Promise<StartReply> => {
    const { engine } = await newEngine(null, store);
    const command = start('a', { fingerprint });
    return new Promise((settle) => engine.start(runIdOf('a'), command, TWO_STEPS, NOBODY, settle));
  };

  it('keeps its key: the same payload learns of the file, another that the key is taken', async () => {
    const store = await newStore();
    await appendRun(store, 'a', { at: OLD });
    await newArchiver(store).archiveDue(GO_ON);
    const rejection = { code: 'run-archived', file: 'runs-2026-02-01.ndjson.gz' };
    expect(await startAgain(store, 'f1')).toEqual({ status: 'rejected', rejection });
    expect(await startAgain(store, 'f2')).toMatchObject({ rejection: { code: 'key-reused', first: 'f1' } });
    await stubOf(store, 'a');
  });
});

describe('an archive', () => {
  const archived = async (): Promise<string> => {
    const store = await newStore();
    for (const key of ['a', 'b']) await appendRun(store, key, { at: OLD });
    await newArchiver(store).archiveDue(GO_ON);
    return join(folder, 'runs-2026-02-01.ndjson.gz');
  };

  it('is read up to where the manifest ends, past a tail that was never finished', async () => {
    const path = await archived();
    appendFileSync(path, Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]));
    expect((await verifyArchive(path)).notes).toEqual([
      expect.stringContaining('The last 7 bytes were never finished'),
    ]);
    expect(Object.keys(await runsIn('runs-2026-02-01.ndjson.gz'))).toEqual(['a', 'b']);
  });

  it('is refused when it was changed or cut', async () => {
    const path = await archived();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, -1));
    await expect(verifyArchive(path)).rejects.toThrow('its end is missing');
    bytes[20]! ^= 1;
    writeFileSync(path, bytes);
    await expect(verifyArchive(path)).rejects.toThrow('another checksum');
    await expect(verifyArchive(join(folder, 'none.gz'))).rejects.toThrow('there is no file');
  });

  it('is read without its manifest too, and says that it could not be checked', async () => {
    const path = await archived();
    rmSync(join(folder, 'manifest.json'));
    expect((await verifyArchive(path)).notes).toEqual([expect.stringContaining('without a checksum')]);
    expect(Object.keys(await runsIn('runs-2026-02-01.ndjson.gz'))).toEqual(['a', 'b']);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 20));
    await expect(runsIn('runs-2026-02-01.ndjson.gz')).rejects.toMatchObject({ code: 'archive-damaged' });
  });
});

describe('a kill', () => {
  const VICTIM = join(import.meta.dirname, 'testing/archiver-victim.js');
  const KEYS = ['a', 'b', 'c'];
  const archiving = (point: string, nth: number) =>
    spawnSync(process.execPath, [VICTIM, root, folder, point, String(nth)], { encoding: 'utf8' });
  const withStore = async <T>(call: (store: SqliteEventStore) => Promise<T>): Promise<T> => {
    const store = new SqliteEventStore({ folder: root, onFatal: (error) => expect(error).toBeUndefined() });
    await store.start();
    try {
      return await call(store);
    } finally {
      await store.stop();
    }
  };

  /** Each run is whole in the log, or a stub tells of a file that holds it whole. Returns how many are stubs. */
  const stubs = (): Promise<number> =>
    withStore(async (store) => {
      let count = 0;
      for (const key of KEYS) {
        const types = await typesOf(store, key);
        if (types.length > 1) expect(types).toEqual(FOUR);
        else {
          const { event } = await stubOf(store, key);
          expect((await runsIn(event.type === 'RunArchived' ? event.file : ''))[key]).toEqual(FOUR);
          count += 1;
        }
      }
      expect(await typesOf(store, 'open')).toEqual(FOUR.slice(0, 3));
      return count;
    });

  it.each([
    ['archive.before-file-sync', 1],
    ['archive.after-file-sync', 1],
    ['archive.after-manifest', 1],
    ['archive.after-stub', 1],
    ['archive.after-stub', 3],
  ])('at %s (%i) loses no run, and the next archiver ends the work', async (point, nth) => {
    await withStore(async (store) => {
      for (const key of KEYS) await appendRun(store, key, { at: OLD });
      await appendRun(store, 'open', { at: OLD, ended: false });
    });
    const killed = archiving(point, nth);
    expect([killed.signal, killed.stderr]).toEqual(['SIGKILL', '']);
    const before = await stubs();
    if (point !== 'archive.after-stub') expect(before).toBe(0);
    expect(archiving('', 1)).toMatchObject({ status: 0, stderr: '' });
    expect(await stubs()).toBe(KEYS.length);
    expect(readdirSync(folder).filter((name) => name.endsWith('.gz')).length).toBeLessThanOrEqual(2);
  });
});

describe('the order of an archive', () => {
  it('is: file, manifest, stub, checkpoint', async () => {
    const store = await newStore();
    await appendRun(store, 'a', { at: OLD });
    const seen: unknown[] = [];
    const points = [
      'archive.before-file-sync',
      'archive.after-file-sync',
      'archive.after-manifest',
      'archive.after-stub',
    ];
    const disarm = points.map((point) =>
      armFailpoint(point, () => {
        const names = readdirSync(folder).filter((name) => !name.endsWith('.tmp'));
        const told = readFileSync(join(folder, 'manifest.json'), 'utf8').includes('runs-');
        seen.push([point, names.includes('runs-2026-02-01.ndjson.gz'), told, names.includes('checkpoint.json')]);
      }),
    );
    await newArchiver(store).archiveDue(GO_ON);
    for (const off of disarm) off();
    expect(seen).toEqual([
      [points[0], true, false, false],
      [points[1], true, false, false],
      [points[2], true, true, false],
      [points[3], true, true, false],
    ]);
    expect(readdirSync(folder)).toContain('checkpoint.json');
  });
});
