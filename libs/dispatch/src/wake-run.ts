import type { CommandResult, RunEngine, RunId } from '#engine';
import type { Waking } from './run-dues.js';
import type { OwnedShards } from './shards/owned-shards.js';

const WAKE_UP = { type: 'WakeUp' } as const;

/** Has a run look at what it owes now. */
export const wakeRun = (
  engine: RunEngine,
  shards: OwnedShards,
  runId: RunId,
  { anew, setBackMs, done }: Waking,
): void => {
  const told = (result: CommandResult): void => done(result.status === 'unavailable' ? undefined : result.loaded);
  if (!shards.holds(runId)) return done(undefined);
  if (anew && engine.shared !== null) return engine.shared.wakeAnew(runId, told);
  if (anew) loseAttempts(engine, shards, runId);
  engine.submit(runId, setBackMs === 0 ? WAKE_UP : { type: 'WakeUp', setBackMs }, shards.origin, told);
};

/** A read tells of attempts of another boot; of a run that is in memory already nothing does. */
const loseAttempts = (engine: RunEngine, shards: OwnedShards, runId: RunId): void => {
  const boot = shards.bootOf(runId);
  if (boot === null) return;
  engine.submit(runId, { type: 'LoseAttempts', boot }, shards.origin, (result) => {
    // As many as one decision holds.
    if (result.status === 'accepted' && result.changed) loseAttempts(engine, shards, runId);
  });
};
