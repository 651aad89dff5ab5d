import type { CommandResult, RunEngine, RunId } from '#engine';
import type { Waking } from './run-dues.js';
import type { OwnedShards } from './shards/owned-shards.js';

const WAKE_UP = { type: 'WakeUp' } as const;

/** Has a run look at what it owes now. */
export const wakeRun = (
  engine: RunEngine,
  shards: OwnedShards,
  runId: RunId,
  { anew, setBack, done }: Waking,
): void => {
  const answered = (result: CommandResult): void => done(result.status === 'unavailable' ? undefined : result.loaded);
  if (!shards.holds(runId)) return done(undefined);
  if (anew && engine.shared !== null) return engine.shared.wakeAfterRead(runId, answered);
  if (anew) loseAttempts(engine, shards, runId);
  if (setBack === null) return engine.submit(runId, WAKE_UP, shards.origin, answered);
  // Beside others on the log it is known of our own attempts alone that our clock has planned what follows.
  const boot = engine.shared === null ? null : (shards.bootOf(runId) ?? '');
  engine.submit(runId, { type: 'WakeUp', setBack: { ...setBack, boot } }, shards.origin, answered);
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
