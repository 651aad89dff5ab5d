import type { EventStore } from '#event-store';
import { Archiver } from '#retention';
import { aborted, systemClock, systemEntropy, type Config, type Log } from '#runtime';
import type { Leading, PostgresLeaderLock } from '#views';
import { leaderLock, type LockSettings } from './leader-lock.js';

/** What of the settings retention reads. */
export type RetentionSettings = Pick<Config, 'retention'> & LockSettings;

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
  const lock = leaderLock({ views }, 'retention', log);
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
