import { parentPort, workerData } from 'node:worker_threads';
import type { Batch, BatchResult, WriterOptions } from './log-writer.js';
import { LogWriter } from './log-writer.js';
import { LogFull } from '../event-store.js';

/** What the thread is told: a batch to commit, or to stop. */
export type Order = Batch | 'stop';
/** What it tells: ready, the result of a batch, that there was no room for one, or that it has failed for good. */
export type Report = 'ready' | 'full' | BatchResult | { readonly failed: Failure };
/** An error, as far as it can cross threads. */
export type Failure = { readonly code: string; readonly message: string };

const port = parentPort!;
const report = (message: Report): void => port.postMessage(message);

const fail = (error: unknown): void => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
  report({ failed: { code, message: error instanceof Error ? `${error.message} (${code})` : String(error) } });
};

const serve = (writer: LogWriter): void => {
  let failed = false;
  port.on('message', (order: Order) => {
    if (order === 'stop') {
      if (failed) writer.abandon();
      else writer.close();
      port.close();
      return;
    }
    try {
      report(writer.commit(order));
    } catch (error) {
      if (error instanceof LogFull) return report('full');
      // The store sends no other batch after this: what is durable is known only after a restart.
      failed = true;
      fail(error);
    }
  });
  report('ready');
};

try {
  // The only starter of this thread is the store beside it.
  serve(new LogWriter(workerData as WriterOptions));
} catch (error) {
  fail(error);
  port.close();
}
