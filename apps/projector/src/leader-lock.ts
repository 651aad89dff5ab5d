import { hostname } from 'node:os';
import { systemClock, type Config, type Log } from '#runtime';
import { PostgresLeaderLock } from '#views';

/** What of the settings the lock reads. */
export type LockSettings = { readonly views: Pick<Config['views'], 'url'> };

/** The lock by which one process of several does this. Not asked for yet. */
export const leaderLock = ({ views }: LockSettings, of: 'relay' | 'retention', log: Log): PostgresLeaderLock =>
  new PostgresLeaderLock(views.url!, of, systemClock, {
    holder: `${hostname()}-${process.pid}`,
    onFault: (err, delayMs) => log.warn(`the lock of ${of} was lost; asking for it again`, { err, delayMs }),
  });
