import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteEventStore } from './sqlite-event-store.js';

/** Root may write everything, so there another user starts the store. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const FILES = ['events.lock', 'events.db', 'events.db-wal', 'events.db-shm', 'events.spare'];

describe('a log that the user of the service cannot write', () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-unwritable-'));
    const store = new SqliteEventStore({ folder, onFatal: fatal });
    await store.start();
    await store.stop();
    writeFileSync(join(folder, 'start.mjs'), script());
    chmodSync(folder, 0o777);
    for (const file of FILES) chmodSync(join(folder, file), 0o666);
  });
  afterEach(() => {
    chmodSync(folder, 0o777);
    rmSync(folder, { recursive: true });
  });

  const script = (): string => `
    const { SqliteEventStore } = await import(${JSON.stringify(new URL('../index.js', import.meta.url).href)});
    const store = new SqliteEventStore({ folder: ${JSON.stringify(folder)}, onFatal: () => {} });
    await store.start().then(() => console.log('started'), (error) => console.log(error.code, error.message));
    await store.stop();`;

  /** What a start of the store in a process of that user says. */
  const start = (): string => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'start.mjs')], {
      encoding: 'utf8',
      ...(isRoot && { uid: NOBODY, gid: NOBODY }),
    });
    expect(stderr).toBe('');
    return stdout;
  };

  it('is started when all of it can be written', () => {
    expect(start()).toBe('started\n');
  });

  it.each([...FILES, ''])('is refused by the name of what cannot be written and of the user: %j', (file) => {
    const path = join(folder, file);
    if (isRoot) chownSync(path, 0, 0);
    chmodSync(path, file === '' ? 0o555 : 0o444);
    const said = start();
    expect(said).toContain(`log-unusable the event log cannot be opened: ${path} cannot be written by the user`);
    expect(said).toContain(`uid ${isRoot ? NOBODY : process.getuid?.()})`);
    expect(said).toContain('mode 0');
  });
});

const fatal = (error: unknown): void => {
  throw error;
};
