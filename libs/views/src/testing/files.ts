import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { RunListItem, RunListPage } from '../view-store.js';

/** Calls with a new folder, which is gone afterwards. */
export const withFolder = async <Result>(call: (folder: string) => Promise<Result>): Promise<Result> => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
  try {
    return await call(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Every column of every row of every table of a set. */
export const dump = (file: string): Record<string, unknown[]> => {
  const database = new Database(file, { readonly: true });
  try {
    const tables = database.prepare(`select name from sqlite_schema where type = 'table' order by name`).pluck().all();
    return Object.fromEntries(
      tables.map((table) => {
        const columns = database.prepare(`select name from pragma_table_info(?)`).pluck().all(table);
        const order = columns.map((column) => `"${String(column)}"`).join(', ');
        return [String(table), database.prepare(`select * from "${String(table)}" order by ${order}`).all()];
      }),
    );
  } finally {
    database.close();
  }
};

export const itemsOf = (page: RunListPage): RunListItem[] => {
  if (page.status !== 'page') throw new Error(`no page: ${page.status}`);
  return JSON.parse(page.items) as RunListItem[];
};
