import { hostname } from 'node:os';
import { Archiver } from '#engine';
import type { EventStore } from '#event-store';
import { systemClock, systemEntropy, type Config, type Log } from '#runtime';
import { PostgresLeaderLock, type Leading } from '#views';

/** What of the settings retention reads. */
export type RetentionSettings = Pick<Config, 'retention'> & { readonly views: { readonly url: string | null } };

/**
 * Archives finished runs while this process is the one of several that does. `null`: runs are kept for ever. To be stopped
 * before the store is.
 */
export const retain = (
  { retention, views }: RetentionSettings,
  store: EventStore,
  log: Log,
): PostgresLeaderLock | null => {
  const { ageMs, archiveDir: folder, runsPerSecond } = retention;
  if (ageMs === null || views.url === null) return null;
  const lock = new PostgresLeaderLock(views.url, 'retention', systemClock, {
    holder: `${hostname()}-${process.pid}`,
    onFault: (err, delayMs) => log.warn('the lock of retention was lost; asking for it again', { err, delayMs }),
  });
  lock.start(async ({ signal }: Leading) => {
    // A new one each time: it makes the folder its own, which refuses the one before, should that still be writing.
    const archiver = new Archiver(store, systemClock, systemEntropy, log, { folder, ageMs, runsPerSecond });
    archiver.start();
    try {
      await aborted(signal);
    } finally {
      await archiver.stop();
    }
  });
  return lock;
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
