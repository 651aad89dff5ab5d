import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteViews } from '../sqlite/sqlite-views.js';
import { dump } from './files.js';
import type { TestViews } from './test-views.js';

/** A set in a file of its own. */
export const openSqliteViews = async (): Promise<TestViews> => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
  const file = join(folder, 'set.sqlite');
  let views = await SqliteViews.open(file);
  return {
    checkpoint: async () => views.checkpoint,
    apply: async (batch) => views.apply(batch),
    listRuns: async (query) => views.listRuns(query),
    listSteps: async (query) => views.listSteps(query),
    parked: async () => views.parked(),
    reopen: async () => {
      views.close();
      views = await SqliteViews.open(file);
    },
    dump: async () => dump(file),
    close: async () => {
      views.close();
      rmSync(folder, { recursive: true });
    },
  };
};
