import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { built } from '../../../../test/support/processes.js';
import { tempFolder, type TempFolder } from '../../../../test/support/temp-folder.js';
import type { Revision, StreamName } from '../event-store.js';
import { SqliteEventStore } from './sqlite-event-store.js';

const A = 'a' as StreamName;
/** In units of the shell: 1 MB or 2. */
const FILE_LIMIT = 2_048;

/** As with a quota that is spent: a write fails, and SQLite does not say why. */
describe('the SQLite log whose files may grow no more', () => {
  let folder: TempFolder;
  beforeAll(async () => {
    folder = await tempFolder('file-limit');
  });
  afterAll(() => folder.remove());

  it('refuses what has no room, goes on reading, and holds after a restart what it has acknowledged', async () => {
    const main = built('libs/event-store/testing/limited-log-main.js');
    const shell = ['-c', `ulimit -f ${FILE_LIMIT} && exec "$0" "$@"`, process.execPath, main, folder.path];
    const { stdout, stderr } = spawnSync('sh', shell, { encoding: 'utf8' });
    expect(stderr).toBe('');
    // What the child prints.
    const said = JSON.parse(stdout) as { appended: number };
    expect(said.appended).toBeGreaterThan(3);
    expect(said).toEqual({
      appended: said.appended,
      more: ['refused', 'refused', 'refused'],
      fatal: [],
      read: said.appended,
    });

    const store = new SqliteEventStore({ folder: folder.path, onFatal: (error) => expect(error).toBeNull() });
    await store.start();
    try {
      expect(await store.readStream(A)).toHaveLength(said.appended);
      const envelope = { commandId: 'after', recordedAt: '', actor: null, traceparent: null };
      const events = [{ type: 'Noted', v: 1, data: '1' }];
      const append = { stream: A, expected: (said.appended - 1) as Revision, events, envelope };
      expect(await new Promise((resolve) => store.append(append, resolve))).toMatchObject({ status: 'appended' });
    } finally {
      await store.stop();
    }
  });
});
