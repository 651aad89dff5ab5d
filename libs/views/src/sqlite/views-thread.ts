import { parentPort, workerData } from 'node:worker_threads';
import assert from 'node:assert/strict';
import { systemClock } from '#runtime';
import { SqliteViews } from './sqlite-views.js';
import type { Reply, Request, ThreadOptions } from './thread-messages.js';
import { readOrMakeSets, setFile } from './view-sets.js';

/** How often the pointer is looked at for a switch to a rebuilt set. */
const POINTER_CHECK_MS = 1_000;

assert(parentPort, 'this file is the main of a worker thread');
const port = parentPort;
// Set by `SqliteViewStore`.
const { folder } = workerData as ThreadOptions;

let set = readOrMakeSets(folder).current;
let views = await SqliteViews.open(setFile(folder, set));
let checkedMs = systemClock.monotonicMs();

const followPointer = async (): Promise<void> => {
  const nowMs = systemClock.monotonicMs();
  if (nowMs - checkedMs < POINTER_CHECK_MS) return;
  checkedMs = nowMs;
  const { current } = readOrMakeSets(folder);
  if (current === set) return;
  const next = await SqliteViews.open(setFile(folder, current));
  views.close();
  [views, set] = [next, current];
};

const answer = async (request: Request): Promise<unknown> => {
  switch (request.type) {
    case 'checkpoint':
      return views.checkpoint;
    case 'apply':
      await followPointer();
      return views.apply(request.batch);
    case 'list-runs':
      return views.listRuns(request.query);
    case 'parked':
      return views.parked();
    case 'stop':
      views.close();
      return null;
    default:
      return request;
  }
};

const post = (reply: Reply): void => port.postMessage(reply);

// One after the other: opening another set takes some milliseconds, and nothing may come between.
let last: Promise<void> = Promise.resolve();
port.on('message', (request: Request) => {
  last = last.then(async () => {
    try {
      post({ id: request.id, value: await answer(request) });
      if (request.type === 'stop') port.close();
    } catch (error) {
      // A failed batch leaves a transaction open, and nobody knows what its file is like: the thread dies, and a new one
      // goes on from the checkpoint. A failed reading harms nobody.
      if (request.type === 'apply') throw error;
      post({ id: request.id, error });
    }
  });
});
post({ ready: true });
