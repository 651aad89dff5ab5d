import Database from 'better-sqlite3';
import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { isNoRoom, whyNotWritable } from '#runtime';
import type { OpenRun, OpenRunsBatch } from '../open-runs.js';

/** What the main thread asks, each under a number that the answer bears. */
export type OpenRunsQuestion =
  | { readonly id: number; readonly ask: 'write'; readonly batch: OpenRunsBatch }
  | {
      readonly id: number;
      readonly ask: 'due';
      readonly beforeMs: number;
      readonly after: OpenRun | null;
      readonly limit: number;
    }
  | { readonly id: number; readonly ask: 'forget' | 'count' | 'checkpoint' | 'close' };

export type OpenRunsAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly full: boolean };

// Rows are few next to the log's and made anew when lost, so commits need no fsync of their own (NORMAL), only order.
const SCHEMA = `
  create table if not exists open_runs (run_id text primary key, due_ms integer not null) strict, without rowid;
  create index if not exists open_runs_by_due on open_runs (due_ms, run_id);
  create table if not exists checkpoint (only integer primary key check (only = 1), position integer not null) strict;
`;

const open = (file: string) => {
  const why = whyNotWritable(file);
  if (why !== null) throw new Error(`the table of open runs cannot be opened: ${why}`);
  const database = new Database(file);
  try {
    // This thread alone has it open: it needs no file to share it by, for which a full disk has no room.
    database.pragma('locking_mode = exclusive');
    database.pragma('journal_mode = wal');
    database.pragma('synchronous = normal');
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
};

/**
 * A file that is damaged is as good as lost: the log tells all that it told. One that a full disk has no room for is kept in memory
 * until the next start.
 */
const openOrBeginAnew = (file: string) => {
  try {
    return open(file);
  } catch (error) {
    if (isNoRoom(error)) return open(':memory:');
    if (!(error instanceof Database.SqliteError && DAMAGED.has(error.code))) throw error;
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
    return open(file);
  }
};

const DAMAGED = new Set(['SQLITE_NOTADB', 'SQLITE_CORRUPT']);

const serve = (file: string, answer: (message: OpenRunsAnswer) => void) => {
  const database = openOrBeginAnew(file);
  const upsert = database.prepare(
    'insert into open_runs (run_id, due_ms) values (?, ?) on conflict (run_id) do update set due_ms = excluded.due_ms',
  );
  const remove = database.prepare('delete from open_runs where run_id = ?');
  const mark = database.prepare(
    'insert into checkpoint (only, position) values (1, ?) on conflict (only) do update set position = max(position, excluded.position)',
  );
  // Index: open_runs_by_due.
  const due = database.prepare(
    'select run_id as runId, due_ms as dueMs from open_runs where due_ms < ? and (due_ms, run_id) > (?, ?) order by due_ms, run_id limit ?',
  );
  const count = database.prepare('select count(*) from open_runs').pluck();
  const checkpoint = database.prepare('select position from checkpoint').pluck();
  const write = database.transaction((batch: OpenRunsBatch) => {
    for (const { runId, dueMs } of batch.open) upsert.run(runId, dueMs);
    for (const runId of batch.ended) remove.run(runId);
    mark.run(batch.checkpoint);
  });
  const forget = database.transaction(() => {
    database.exec('delete from open_runs; delete from checkpoint');
  });
  const ask = (question: OpenRunsQuestion): unknown => {
    switch (question.ask) {
      case 'write':
        return write.immediate(question.batch);
      case 'forget':
        return forget.immediate();
      case 'due':
        return due.all(question.beforeMs, question.after?.dueMs ?? -1, question.after?.runId ?? '', question.limit);
      case 'count':
        return count.get();
      case 'checkpoint':
        return checkpoint.get() ?? null;
      case 'close':
        database.close();
        return null;
    }
  };
  return (question: OpenRunsQuestion) => {
    try {
      answer({ id: question.id, result: ask(question) ?? null });
    } catch (error) {
      answer({ id: question.id, error: error instanceof Error ? error.message : String(error), full: isNoRoom(error) });
    }
    if (question.ask === 'close') parentPort?.close();
  };
};

if (parentPort !== null) {
  const port = parentPort;
  port.on(
    'message',
    serve(String(workerData), (message) => port.postMessage(message)),
  );
}
