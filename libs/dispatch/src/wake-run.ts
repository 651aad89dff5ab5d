import { NOBODY, type CommandResult, type LoadedRun, type RunEngine, type RunId } from '#engine';
import type { OwnedShards } from './shards/owned-shards.js';

export type Waking = {
  /** What is known of the run is not to be trusted: it may have been read before it was acted for here. */
  readonly anew: boolean;
  /** With the run as it is then, `null` when there is none, `undefined` when it could not be read. */
  readonly done: (loaded: LoadedRun | null | undefined) => void;
};

/** Has a run look at what it owes now. */
export const wakeRun = (engine: RunEngine, shards: OwnedShards, runId: RunId, { anew, done }: Waking): void => {
  const told = (result: CommandResult): void => done(result.status === 'unavailable' ? undefined : result.loaded);
  if (!shards.holds(runId)) return done(undefined);
  if (anew && engine.shared !== null) return engine.shared.wakeAnew(runId, told);
  if (anew) loseAttempts(engine, shards, runId);
  engine.submit(runId, { type: 'WakeUp' }, NOBODY, told);
};

/** A read tells of attempts of another boot; of a run that is in memory already nothing does. */
const loseAttempts = (engine: RunEngine, shards: OwnedShards, runId: RunId): void => {
  const boot = shards.bootOf(runId);
  if (boot === null) return;
  engine.submit(runId, { type: 'LoseAttempts', boot }, NOBODY, (result) => {
    // As many as one decision holds.
    if (result.status === 'accepted' && result.changed) loseAttempts(engine, shards, runId);
  });
};
