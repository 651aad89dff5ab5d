/**
 * The floor: a bare Node program that does only what cannot be avoided for the same flows. It accepts the POST, appends
 * to a log with fdatasync where a durable engine must (appends that arrive during a sync form the next), makes the
 * POSTs of the steps and answers. No definitions, no retries, no recovery, no views: what is measured against it is
 * what these cost.
 */
import { fdatasync, openSync, write } from 'node:fs';
import { join } from 'node:path';
import { serveFloor } from './floor-flow.js';

const [folder, target] = process.argv.slice(2);
if (folder === undefined || target === undefined)
  throw new Error('usage: floor.js <folder> <origin of the application>');

const log = openSync(join(folder, 'floor.log'), 'a');

let pendingLines: string[] = [];
let pendingCalls: (() => void)[] = [];
let syncing = false;

const append = (line: string, call: () => void): void => {
  pendingLines.push(line);
  pendingCalls.push(call);
  if (!syncing) sync();
};

const sync = (): void => {
  syncing = true;
  const calls = pendingCalls;
  const lines = Buffer.from(pendingLines.join(''));
  pendingLines = [];
  pendingCalls = [];
  const fail = (fault: Error | null): void => {
    if (fault !== null) throw fault;
  };
  write(log, lines, 0, lines.length, null, (fault) => {
    fail(fault);
    fdatasync(log, (syncFault) => {
      fail(syncFault);
      for (const call of calls) call();
      if (pendingCalls.length > 0) sync();
      else syncing = false;
    });
  });
};

serveFloor(target, (_run, line, call) => append(line, call), { apart: false, joined: false });
