import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryEventStore } from '#event-store';
import { Archiver } from '#retention';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { runIdOf } from '../../../libs/engine/src/testing/engine-world.js';
import { appendRun } from '../../../libs/engine/src/testing/finished-runs.js';

let folder: string;
const FILE = `runs-${systemClock.now().slice(0, 10)}.ndjson.gz`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stepwell-archive-'));
  const store = new MemoryEventStore();
  for (const key of ['a', 'b']) await appendRun(store, key);
  const options = { folder: join(folder, 'archive'), ageMs: 1_000, runsPerSecond: 1_000 };
  const archiver = new Archiver(store, systemClock, systemEntropy, silentLog, options);
  await archiver.archiveDue(new AbortController().signal);
  await archiver.stop();
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'archive-read-main.js'), ...args], {
    encoding: 'utf8',
    env: { STEPWELL_DATA_DIR: folder },
  });

describe('archive:read', () => {
  it('lists the runs of a file with how they ended', () => {
    const { status, stdout, stderr } = read(FILE);
    expect([status, stderr]).toEqual([0, expect.stringContaining('2 runs in')]);
    expect(stdout.trim().split('\n')).toEqual(
      ['a', 'b'].map((key) => expect.stringMatching(`^${runIdOf(key)}  completed .* 4 events  w@1  ${key}$`)),
    );
  });

  it('shows the events of one run', () => {
    const { status, stdout } = read(join(folder, 'archive', FILE), '--run', runIdOf('b'));
    expect(status).toBe(0);
    const events = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; revision: number });
    expect(events.map(({ type, revision }) => [revision, type])).toEqual([
      [0, 'RunStarted'],
      [1, 'AttemptSucceeded'],
      [2, 'AttemptSucceeded'],
      [3, 'RunCompleted'],
    ]);
  });

  it('says what is wrong', () => {
    expect(read()).toMatchObject({ status: 2, stderr: expect.stringContaining('usage:') });
    expect(read(FILE, '--bun', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('usage:') });
    expect(read(FILE, '--run', 'x')).toMatchObject({ status: 1, stderr: expect.stringContaining('There is no run x') });
    expect(read('none.gz')).toMatchObject({ status: 1, stderr: expect.stringContaining('there is no file') });
    writeFileSync(join(folder, 'archive', FILE), 'no gzip, and not what the manifest says of it', { flag: 'r+' });
    expect(read(FILE)).toMatchObject({ status: 1, stderr: expect.stringContaining('another checksum') });
  });
});
