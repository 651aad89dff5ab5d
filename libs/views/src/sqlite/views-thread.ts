import { parentPort, workerData } from 'node:worker_threads';
import assert from 'node:assert/strict';
import { systemClock } from '#runtime';
import { isDiskFull, SqliteViews } from './sqlite-views.js';
import type { Reply, Request, ThreadOptions } from './thread-messages.js';
import { readOrMakeSets, setFile } from './view-sets.js';

/** How often the pointer is looked at for a switch to a rebuilt set. */
const POINTER_CHECK_MS = 1_000;

assert(parentPort, 'this file is the main of a worker thread');
const port = parentPort;
// Set by `SqliteViewStore`.
const { folder } = workerData as ThreadOptions;

let set = readOrMakeSets(folder).current;
/** What batches go to. */
let written = await SqliteViews.open(setFile(folder, set));
/** What lists are read from: after a switch the old set, until the new one has got as far, so that no reader goes back. */
let served = written;
let checkedMs = systemClock.monotonicMs();

const followPointer = async (): Promise<void> => {
  const nowMs = systemClock.monotonicMs();
  if (nowMs - checkedMs < POINTER_CHECK_MS) return;
  checkedMs = nowMs;
  const { current } = readOrMakeSets(folder);
  if (current === set) return;
  const next = await SqliteViews.open(setFile(folder, current));
  if (written !== served) written.close();
  [written, set] = [next, current];
};

const serveWritten = (): void => {
  if (written === served || written.checkpoint < served.checkpoint) return;
  served.close();
  served = written;
};

/** After a batch that found no room: the set as it stands on disk. */
const reopen = async (): Promise<void> => {
  const alone = written === served;
  written.close();
  written = await SqliteViews.open(setFile(folder, set));
  if (alone) served = written;
};

const close = (): null => {
  if (written !== served) written.close();
  served.close();
  return null;
};

const answer = async (request: Request): Promise<unknown> => {
  switch (request.type) {
    case 'checkpoint':
      return written.checkpoint;
    case 'apply': {
      await followPointer();
      const applied = written.apply(request.batch);
      serveWritten();
      return applied;
    }
    case 'list-runs':
      return served.listRuns(request.query);
    case 'list-steps':
      return served.listSteps(request.query);
    case 'parked':
      return served.parked();
    case 'stop':
      return close();
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
      // goes on from the checkpoint. A failed reading harms nobody, and on a full disk lists are read as ever.
      if (request.type === 'apply') {
        if (!isDiskFull(error)) throw error;
        await reopen();
      }
      post({ id: request.id, error });
    }
  });
});
post({ ready: true });
